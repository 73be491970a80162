//! `remove_callback`: a webhook is done, or given up.

use muster_machine::{Apply, Outcome, Stamp};
use serde::{Deserialize, Serialize};

use crate::machine::state::GateJob;
use crate::machine::{DroppedCallback, What};

/// Drops a webhook; why is kept in the events.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RemoveCallback {
    /// Which.
    pub url: String,
    /// Version up to which it was delivered.
    pub delivered_through: u64,
    /// Why it was given up; `None`: it is done, or was removed by its owner.
    pub gave_up: Option<String>,
}

impl Apply<GateJob> for RemoveCallback {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        if job.callbacks.remove(&self.url).is_none() {
            return Outcome::same();
        }
        job.note_dropped(DroppedCallback {
            url: self.url.clone(),
            delivered: self.delivered_through,
            gave_up: self.gave_up.clone(),
            at_ms: stamp.at_ms,
        });
        let why = self.gave_up.unwrap_or_else(|| "by its owner".into());
        let reason = format!("callback {} removed after version {}: {why}", self.url, self.delivered_through);
        job.note(What::Status { reason }, stamp);
        Outcome::done()
    }
}

#[cfg(test)]
#[path = "remove_callback_test.rs"]
mod remove_callback_test;
#[cfg(test)]
pub(crate) use remove_callback_test::CASES;
