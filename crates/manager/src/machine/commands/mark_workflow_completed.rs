//! `mark_workflow_completed`: every shard was accepted.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::WorkflowStatus;
use muster_wire::{NodeId, WorkflowIx};
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::graph;
use crate::machine::record::{JobRecord, unknown_workflow};
use crate::machine::state::ManagerJob;

/// Completes a workflow; its dependents become ready at this apply, and the reply names them. Refused: a shard that is
/// not accepted (`NotAllowed`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MarkWorkflowCompleted {
    /// The workflow.
    pub workflow: WorkflowIx,
    /// The worker whose result was the last, for people.
    pub from_worker: Option<NodeId>,
}

impl Apply<ManagerJob> for MarkWorkflowCompleted {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.complete(state, stamp))
    }
}

impl MarkWorkflowCompleted {
    fn complete(self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        let workflow = record.workflow(self.workflow).ok_or_else(|| unknown_workflow(self.workflow))?;
        if workflow.status.is_success() {
            return Ok(Outcome::noop(&ready_dependents(record, self.workflow)));
        }
        let all = workflow.is_all_succeeded();
        ensure(all, || Reason::not_allowed("a shard is not accepted"))?;
        record.move_workflow(self.workflow, WorkflowStatus::Completed, stamp.at_ms)?;
        Ok(Outcome::applied(&ready_dependents(record, self.workflow)))
    }
}

fn ready_dependents(record: &JobRecord, ix: WorkflowIx) -> Vec<WorkflowIx> {
    let mut dependents = graph::dependents(&record.spec, ix);
    dependents.retain(|dependent| record.is_ready(*dependent));
    dependents
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, completed, result};
    use muster_wire::job::Exit;

    #[test]
    fn dependents_are_ready_at_the_same_apply() {
        let mut world = World::started();
        world.applied(&result(0, 0, Exit::code(0)));
        world.applied(&result(0, 1, Exit::code(0)));
        assert_eq!(world.applied(&completed(0)), Some(vec![WorkflowIx(1)]));
        assert!(world.record().is_ready(WorkflowIx(1)));
        assert_eq!(world.record().tally.completed, 1);
    }

    #[test]
    fn a_workflow_with_an_undecided_shard_is_not_completed() {
        let mut world = World::started();
        world.applied(&result(0, 0, Exit::code(0)));
        world.refused(&completed(0), "not_allowed");
    }
}
