//! `register_workflow`: one workflow of the spec becomes pending.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::WorkflowIx;
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::state::ManagerJob;
use crate::machine::workflow::Workflow;

/// Registers a workflow by its position in the stored spec. Refused: no such position (`Malformed`), or in the scope of
/// a cancel (`NotAllowed`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RegisterWorkflow {
    /// Its position.
    pub workflow: WorkflowIx,
}

impl Apply<ManagerJob> for RegisterWorkflow {
    fn apply(self, state: &mut ManagerJob, _: Stamp) -> Outcome {
        outcome(self.register(state))
    }
}

impl RegisterWorkflow {
    fn register(self, state: &mut ManagerJob) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        if record.workflow(self.workflow).is_some() {
            return Ok(Outcome::same());
        }
        ensure(!record.is_blocked(self.workflow), || Reason::not_allowed("the workflow is cancelled"))?;
        let spec = record.spec.workflow(self.workflow);
        let replicas = spec.ok_or_else(|| Reason::malformed("no such workflow"))?.replicas;
        record.workflows.insert(self.workflow, Workflow::new(replicas));
        record.tally.total += 1;
        Ok(Outcome::done())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, cancel_workflows};
    use muster_wire::job::WorkflowStatus;

    #[test]
    fn a_registered_workflow_is_pending_and_counted_once() {
        let mut world = World::led();
        let register = RegisterWorkflow { workflow: WorkflowIx(0) };
        world.applied(&register);
        world.same(&register);
        assert_eq!(world.record().tally.total, 1);
        assert_eq!(world.workflow(0).status(), WorkflowStatus::Pending);
    }

    #[test]
    fn nothing_is_registered_in_the_scope_of_a_cancel() {
        let mut world = World::led();
        world.applied(&cancel_workflows(&[0]));
        world.refused(&RegisterWorkflow { workflow: WorkflowIx(0) }, "not_allowed");
        world.refused(&RegisterWorkflow { workflow: WorkflowIx(1) }, "not_allowed");
    }
}
