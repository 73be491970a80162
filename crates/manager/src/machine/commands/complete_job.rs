//! `complete_job`: the purge. A tombstone stays, all else is freed.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::JobStatus;
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::record::JobRecord;
use crate::machine::state::ManagerJob;

/// What a group without a job becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutJob {
    /// Registered, never submitted.
    Void,
    /// Cancelled before it was submitted: a late submission meets `Gone`.
    Cancelled,
}

/// Purges the job. Refused: not terminal (`NotAllowed`); neither acknowledged nor past its time (`NotYet`).
/// A group without a job becomes the tombstone that is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CompleteJob {
    /// The gates hold the result.
    pub acknowledged_by_gate: bool,
    /// Used only on a group without a job.
    pub without_job: WithoutJob,
}

impl Apply<ManagerJob> for CompleteJob {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(match (&state.tombstone, &state.record) {
            (Some(tombstone), _) => Ok(Outcome::noop(&tombstone.status)),
            (None, Some(record)) => {
                self.status_of(record, stamp.at_ms).map(|status| bury(state, status, stamp))
            }
            (None, None) => Ok(bury(state, self.without_job.status(), stamp)),
        })
    }
}

impl WithoutJob {
    const fn status(self) -> JobStatus {
        match self {
            Self::Void => JobStatus::Void,
            Self::Cancelled => JobStatus::Cancelled,
        }
    }
}

impl CompleteJob {
    fn status_of(self, record: &JobRecord, at_ms: u64) -> Result<JobStatus, Reason> {
        let Some(kept_until_ms) = record.kept_until_ms() else {
            return Err(Reason::not_allowed(format!("the job is {}", record.status)));
        };
        ensure(self.acknowledged_by_gate || at_ms >= kept_until_ms, || Reason::NotYet)?;
        Ok(record.status)
    }
}

fn bury(state: &mut ManagerJob, status: JobStatus, stamp: Stamp) -> Outcome {
    state.bury(status, stamp.at_ms);
    Outcome::applied(&status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::limits::UNACKNOWLEDGED_KEPT_MS;
    use crate::machine::world::{World, purge, track_gate};
    use muster_machine::Machine as _;
    use muster_wire::Token;

    #[test]
    fn a_purged_job_is_its_tombstone_with_its_last_token() {
        let mut world = World::completed();
        world.applied(&purge());
        let tombstone = world.state().retired().unwrap();
        assert_eq!((tombstone.status, tombstone.token), (JobStatus::Completed, Token(1)));
        assert!(world.state().record().is_none() && world.state().leader().is_none());
    }

    #[test]
    fn a_result_that_gates_are_owed_outlives_a_short_retention() {
        let mut world = World::completed();
        world.applied(&track_gate(1, 1));
        let unacknowledged = CompleteJob { acknowledged_by_gate: false, ..purge() };
        world.pass(world.record().spec.retention_ms);
        world.refused(&unacknowledged, "not_yet");
        world.pass(UNACKNOWLEDGED_KEPT_MS);
        world.applied(&unacknowledged);
    }

    #[test]
    fn an_unacknowledged_job_is_kept_for_its_retention() {
        let mut world = World::completed();
        let unacknowledged = CompleteJob { acknowledged_by_gate: false, ..purge() };
        world.refused(&unacknowledged, "not_yet");
        world.pass(world.record().spec.retention_ms);
        world.applied(&unacknowledged);
    }

    #[test]
    fn a_group_that_nobody_used_becomes_void() {
        let mut world = World::empty();
        world.applied(&CompleteJob { acknowledged_by_gate: false, ..purge() });
        assert_eq!(world.state().status(), Some(JobStatus::Void));
    }
}
