//! `update_workflow_status`: the moves that no other command makes.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::WorkflowIx;
use muster_wire::job::WorkflowStatus;
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::record::{Ending, JobRecord, unknown_workflow};
use crate::machine::state::ManagerJob;
use crate::machine::workflow::Workflow;

/// Moves a workflow to `pending` (nothing of it could start), `skipped`, `aggregated` or `cancelled`. Refused: any other
/// move, and `pending` or `cancelled` while an attempt is open (`NotAllowed`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UpdateWorkflowStatus {
    /// The workflow.
    pub workflow: WorkflowIx,
    /// Its new status.
    pub status: WorkflowStatus,
    /// Why, for people.
    pub reason: String,
    /// The error behind it.
    pub error: Option<String>,
}

impl Apply<ManagerJob> for UpdateWorkflowStatus {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.update(state, stamp))
    }
}

impl UpdateWorkflowStatus {
    fn update(&self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        let workflow = record.workflow(self.workflow).ok_or_else(|| unknown_workflow(self.workflow))?;
        if workflow.status == self.status {
            return Ok(Outcome::same());
        }
        self.check(workflow)?;
        self.go(record, stamp.at_ms)?;
        Ok(Outcome::done())
    }

    fn check(&self, workflow: &Workflow) -> Result<(), Reason> {
        let holds = match self.status {
            WorkflowStatus::Pending | WorkflowStatus::Cancelled => !workflow.is_busy(),
            WorkflowStatus::Skipped | WorkflowStatus::Aggregated => true,
            _ => false,
        };
        ensure(holds, || Reason::not_allowed(format!("a workflow is not set to {} this way", self.status)))
    }

    fn go(&self, record: &mut JobRecord, at_ms: u64) -> Result<(), Reason> {
        let error = self.error.as_deref().unwrap_or(&self.reason);
        match self.status {
            WorkflowStatus::Skipped | WorkflowStatus::Cancelled => {
                record.end_workflow(self.workflow, &Ending { status: self.status, error, at_ms })
            }
            _ => record.move_workflow(self.workflow, self.status, at_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, refuse_start, reserve, set_workflow};
    use WorkflowStatus::{Aggregated, Cancelled, Pending, Running, Skipped};

    #[test]
    fn a_workflow_of_which_nothing_could_start_is_pending_again() {
        let mut world = World::registered();
        world.applied(&reserve(0, 0, 1));
        world.refused(&set_workflow(0, Pending), "not_allowed");
        world.applied(&refuse_start(0, 0));
        world.applied(&set_workflow(0, Pending));
        assert_eq!(world.workflow(0).status(), Pending);
    }

    #[test]
    fn a_completed_workflow_is_aggregated_and_stays_completed_in_the_count() {
        let mut world = World::one_completed();
        world.applied(&set_workflow(0, Aggregated));
        assert_eq!(world.record().tally.completed, 1);
    }

    #[test]
    fn moves_of_other_commands_are_refused() {
        World::registered().refused(&set_workflow(0, Running), "not_allowed");
        World::started().refused(&set_workflow(0, Skipped), "not_allowed");
        World::started().refused(&set_workflow(0, Cancelled), "not_allowed");
    }
}
