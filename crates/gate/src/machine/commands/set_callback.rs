//! `set_callback`: a webhook and how far it was delivered.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::api::EventKind;
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::Callback;
use crate::machine::state::GateJob;

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
    /// What is changed.
    #[serde(default)]
    pub change: CallbackChange,
}

/// What `set_callback` changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum CallbackChange {
    /// Everything: its owner says so.
    #[default]
    Define,
    /// Only the position, of a webhook that is there: it was delivered.
    Move,
}

impl Apply<GateJob> for SetCallback {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        match self.change {
            CallbackChange::Define => settle(self.define(job, stamp)),
            CallbackChange::Move => self.move_up(job, stamp),
        }
    }
}

impl SetCallback {
    fn define(self, job: &mut GateJob, stamp: Stamp) -> Tried {
        ensure(is_web_url(&self.url), || Reason::malformed("a callback is an http(s) url of at most 2 KiB"))?;
        let known = job.callbacks.get(&self.url);
        let room = known.is_some() || job.callbacks.len() < CALLBACKS_MAX;
        ensure(room, || Reason::LimitReached { what: "callbacks".into() })?;
        let delivered = known.map_or(0, |known| known.delivered).max(self.from_version);
        let since_ms = known.map_or(stamp.at_ms, |known| known.since_ms);
        let next = Callback { kinds: self.kinds, secret: self.secret, delivered, since_ms };
        if known == Some(&next) {
            return Ok(Outcome::same());
        }
        job.dropped_callbacks.retain(|dropped| dropped.url != self.url);
        job.callbacks.insert(self.url, next);
        Ok(Outcome::done())
    }

    /// A webhook that was removed meanwhile stays removed.
    fn move_up(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        match job.callbacks.get_mut(&self.url).filter(|known| known.delivered < self.from_version) {
            Some(known) => {
                known.delivered = self.from_version;
                known.since_ms = stamp.at_ms;
                Outcome::done()
            }
            None => Outcome::same(),
        }
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
