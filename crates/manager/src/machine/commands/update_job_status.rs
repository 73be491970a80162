//! `update_job_status`: the job's own moves.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::JobStatus;
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::record::JobRecord;
use crate::machine::state::ManagerJob;

/// Moves the job. Refused: a move that the table does not hold, a terminal status that the spec's policy does not give
/// (`NotAllowed`), `completing` or a terminal status while a workflow is open (`NotYet`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UpdateJobStatus {
    /// The new status.
    pub status: JobStatus,
    /// Why, for people.
    pub reason: Option<String>,
}

impl Apply<ManagerJob> for UpdateJobStatus {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.update(state, stamp))
    }
}

impl UpdateJobStatus {
    fn update(self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        if record.status == self.status {
            return Ok(Outcome::same());
        }
        self.check(record, stamp.at_ms)?;
        record.go(self.status, self.reason, stamp.at_ms)?;
        Ok(Outcome::done())
    }

    fn check(&self, record: &JobRecord, at_ms: u64) -> Result<(), Reason> {
        match self.status {
            JobStatus::Running => Ok(()),
            JobStatus::Completing => ensure(record.is_all_ended(), || Reason::NotYet),
            JobStatus::Cancelling => check_verdict(record, JobStatus::Cancelled, at_ms),
            terminal => check_verdict(record, terminal, at_ms),
        }
    }
}

/// Without a cancel of the whole job it is cancelled only when each of its workflows was.
fn check_verdict(record: &JobRecord, wanted: JobStatus, at_ms: u64) -> Result<(), Reason> {
    let verdict = record.verdict(at_ms).ok_or(Reason::NotYet)?;
    ensure(verdict == wanted, || Reason::not_allowed(format!("by its policy the job is {verdict}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, set_job};
    use JobStatus::{Completed, Completing, Failed, Partial, Running};

    #[test]
    fn a_job_ends_only_after_its_workflows() {
        let mut world = World::started();
        world.applied(&set_job(Running));
        world.refused(&set_job(Completing), "not_yet");
        world.refused(&set_job(Failed), "not_yet");
    }

    #[test]
    fn the_policy_decides_how_it_ends() {
        let mut world = World::failed();
        world.applied(&set_job(Running));
        world.applied(&set_job(Completing));
        world.refused(&set_job(Completed), "not_allowed");
        world.refused(&set_job(Partial), "not_allowed");
        world.applied(&set_job(Failed));
        assert!(world.record().finished_at_ms.is_some());
    }

    #[test]
    fn terminal_means_terminal() {
        let mut world = World::completed();
        world.refused(&set_job(Running), "not_allowed");
        world.same(&set_job(Completed));
    }
}
