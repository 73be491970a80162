//! `set_callback`: a webhook and how far it was delivered.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::api::EventKind;
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::state::{Callback, GateJob};

/// Webhooks that one job may have.
pub const CALLBACKS_MAX: usize = 16;
const URL_BYTES_MAX: usize = 2_048;

/// Adds a webhook, or moves the position of a known one up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetCallback {
    /// `http://…` or `https://…`, at most 2 KiB.
    pub url: String,
    /// Which events are wanted; empty: all.
    pub kinds: Vec<EventKind>,
    /// Sealed by the gates' key.
    #[serde(with = "serde_bytes")]
    pub secret: Vec<u8>,
    /// Events above this version are owed.
    pub from_version: u64,
}

impl Apply<GateJob> for SetCallback {
    fn apply(self, job: &mut GateJob, _: Stamp) -> Outcome {
        settle(self.set(job))
    }
}

impl SetCallback {
    fn set(self, job: &mut GateJob) -> Tried {
        ensure(is_web_url(&self.url), || Reason::malformed("a callback is an http(s) url of at most 2 KiB"))?;
        let known = job.callbacks.get(&self.url);
        let room = known.is_some() || job.callbacks.len() < CALLBACKS_MAX;
        ensure(room, || Reason::LimitReached { what: "callbacks".into() })?;
        let delivered = known.map_or(0, |known| known.delivered).max(self.from_version);
        let next = Callback { kinds: self.kinds, secret: self.secret, delivered };
        if known == Some(&next) {
            return Ok(Outcome::same());
        }
        job.callbacks.insert(self.url, next);
        Ok(Outcome::done())
    }
}

fn is_web_url(url: &str) -> bool {
    let is_web = ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
    is_web && url.len() <= URL_BYTES_MAX
}

#[cfg(test)]
#[path = "set_callback_test.rs"]
mod set_callback_test;
#[cfg(test)]
pub(crate) use set_callback_test::CASES;
