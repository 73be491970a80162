//! `mark_aggregation_failed`: every shard was accepted, but together they are no result.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::WorkflowIx;
use muster_wire::job::WorkflowStatus;
use serde::{Deserialize, Serialize};

use super::outcome;
use crate::machine::record::{Ending, unknown_workflow};
use crate::machine::state::ManagerJob;

/// Turns a completed workflow into a failed one: its outputs, numbers or histograms cannot be merged within bounds. What
/// depends on it and has not started is skipped. Refused: not completed (`NotAllowed`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MarkAggregationFailed {
    /// The workflow.
    pub workflow: WorkflowIx,
    /// For people.
    pub error: String,
}

impl Apply<ManagerJob> for MarkAggregationFailed {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.fail(state, stamp))
    }
}

impl MarkAggregationFailed {
    fn fail(&self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        let workflow = record.workflow(self.workflow).ok_or_else(|| unknown_workflow(self.workflow))?;
        if workflow.status == WorkflowStatus::AggregationFailed {
            return Ok(Outcome::same());
        }
        let ending =
            Ending { status: WorkflowStatus::AggregationFailed, error: &self.error, at_ms: stamp.at_ms };
        record.end_workflow(self.workflow, &ending)?;
        Ok(Outcome::done())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, unmerged};

    #[test]
    fn the_workflow_counts_as_failed_instead_of_completed() {
        let mut world = World::one_completed();
        world.applied(&unmerged(0));
        let tally = world.record().tally;
        assert_eq!((tally.completed, tally.failed, tally.skipped), (0, 1, 1));
        assert_eq!(world.workflow(1).status(), WorkflowStatus::Skipped);
    }

    #[test]
    fn only_a_completed_workflow_can_fail_in_aggregation() {
        World::started().refused(&unmerged(0), "not_allowed");
    }
}
