//! `mark_workflow_failed`: a shard failed for good, or the workflow cannot be run at all.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::WorkflowIx;
use muster_wire::job::WorkflowStatus;
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::record::{Ending, unknown_workflow};
use crate::machine::state::ManagerJob;
use crate::machine::workflow::Workflow;

/// Why a workflow fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCause {
    /// A shard failed or was lost for good.
    Shards,
    /// It cannot be started: a context key that it names is missing.
    Unrunnable,
}

/// Fails a workflow; what depends on it is skipped. Refused: ended otherwise, retries left on every failed shard, or an
/// attempt of an unrunnable workflow is open (`NotAllowed`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MarkWorkflowFailed {
    /// The workflow.
    pub workflow: WorkflowIx,
    /// For people.
    pub error: String,
    /// Why.
    pub cause: FailureCause,
}

impl Apply<ManagerJob> for MarkWorkflowFailed {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.fail(state, stamp))
    }
}

impl MarkWorkflowFailed {
    fn fail(&self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        let workflow = record.workflow(self.workflow).ok_or_else(|| unknown_workflow(self.workflow))?;
        if workflow.status == WorkflowStatus::Failed {
            return Ok(Outcome::same());
        }
        ensure(self.holds(workflow), || Reason::not_allowed("no shard failed for good"))?;
        let ending = Ending { status: WorkflowStatus::Failed, error: &self.error, at_ms: stamp.at_ms };
        record.end_workflow(self.workflow, &ending)?;
        Ok(Outcome::done())
    }

    fn holds(&self, workflow: &Workflow) -> bool {
        match self.cause {
            FailureCause::Shards => workflow.given_up() > 0,
            FailureCause::Unrunnable => !workflow.is_busy(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, failed};

    #[test]
    fn what_depends_on_a_failed_workflow_is_skipped() {
        let world = World::failed();
        assert_eq!(world.workflow(1).status(), WorkflowStatus::Skipped);
        assert_eq!((world.record().tally.failed, world.record().tally.skipped), (1, 1));
    }

    #[test]
    fn a_workflow_with_retries_left_has_not_failed() {
        let mut world = World::started();
        world.fail_attempt(0, 0, 1);
        world.refused(&failed(0), "not_allowed");
    }

    #[test]
    fn a_workflow_that_cannot_be_started_fails_while_nothing_of_it_runs() {
        let unrunnable = MarkWorkflowFailed { cause: FailureCause::Unrunnable, ..failed(0) };
        World::started().refused(&unrunnable, "not_allowed");
        World::registered().applied(&unrunnable);
    }
}
