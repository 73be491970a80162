//! `register_sub_workflow`: an attempt gets a worker and its own fence.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::{AttemptKey, AttemptState, WorkflowStatus};
use muster_wire::{DispatchToken, NodeRef, WorkflowIx};
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::record::{JobRecord, unknown_workflow};
use crate::machine::shard::{AttemptRow, Phase, Progress, ShardRow};
use crate::machine::state::ManagerJob;

/// Registers the next attempt of a shard on a worker that holds cores for it. Refused: workflow ended, cancelled or not
/// ready, an attempt that is not the next, a shard that is decided or has an open attempt, a worker that is known to be
/// gone (`NotAllowed`); its retry time has not come (`NotYet`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RegisterSubWorkflow {
    /// The attempt.
    pub key: AttemptKey,
    /// The worker process that holds the cores.
    pub worker: NodeRef,
    /// How many cores.
    pub cores: u32,
}

/// What the start of the attempt carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Dispatched {
    /// The attempt's own fence.
    pub dispatch: DispatchToken,
    /// Version of the context that it sees.
    pub context_version: u64,
}

impl Apply<ManagerJob> for RegisterSubWorkflow {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.register(state, stamp))
    }
}

impl RegisterSubWorkflow {
    fn register(self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        let row = self.row(record)?;
        if let Some(known) = self.repeat(record, &row) {
            return Ok(Outcome::noop(&known));
        }
        check_workflow(record, self.key.workflow)?;
        self.check_shard(&row, stamp.at_ms)?;
        ensure(!record.nodes.is_gone(&self.worker), || Reason::not_allowed("the worker is gone"))?;
        let worker = record.workers.intern(&self.worker)?;
        let dispatch = record.next_dispatch(stamp.token);
        self.put(record, self.attempt_row(worker, dispatch), row);
        assign(record, self.key.workflow, stamp.at_ms);
        Ok(Outcome::applied(&Dispatched { dispatch, context_version: record.context.version() }))
    }

    fn row(&self, record: &JobRecord) -> Result<ShardRow, Reason> {
        let workflow =
            record.workflow(self.key.workflow).ok_or_else(|| unknown_workflow(self.key.workflow))?;
        workflow.shard(self.key.shard).ok_or_else(|| Reason::malformed("the workflow has no such shard"))
    }

    fn repeat(&self, record: &JobRecord, row: &ShardRow) -> Option<Dispatched> {
        let last = row.attempt(self.key.attempt)?;
        let same = record.worker_of(row) == Some(&self.worker);
        same.then(|| Dispatched { dispatch: last.dispatch, context_version: record.context.version() })
    }

    fn check_shard(&self, row: &ShardRow, at_ms: u64) -> Result<(), Reason> {
        let waiting = row.phase == Phase::Waiting;
        ensure(waiting, || Reason::not_allowed(format!("the shard is {}", row.state())))?;
        let next = row.last_attempt().next() == self.key.attempt;
        ensure(next, || Reason::not_allowed(format!("the last attempt is {}", row.last_attempt())))?;
        ensure(row.not_before_ms <= at_ms, || Reason::NotYet)
    }

    const fn attempt_row(&self, worker: u32, dispatch: DispatchToken) -> AttemptRow {
        AttemptRow {
            attempt: self.key.attempt,
            state: AttemptState::Reserved,
            worker,
            cores: self.cores,
            dispatch,
            sequence: 0,
            progress: Progress { completed: 0, failed: 0, fraction: 0.0, started_at_ms: 0 },
            result_digest: 0,
            context_merged: false,
        }
    }

    fn put(&self, record: &mut JobRecord, attempt: AttemptRow, row: ShardRow) {
        let row = ShardRow { phase: Phase::Open, not_before_ms: 0, last: Some(attempt), ..row };
        record.put_row(self.key.workflow, self.key.shard, row);
    }
}

fn check_workflow(record: &JobRecord, ix: WorkflowIx) -> Result<(), Reason> {
    ensure(!record.is_blocked(ix), || Reason::not_allowed("the workflow is cancelled"))?;
    let workflow = record.workflow(ix).ok_or_else(|| unknown_workflow(ix))?;
    let open = !workflow.status.is_terminal();
    ensure(open, || Reason::not_allowed(format!("the workflow is {}", workflow.status)))?;
    ensure(record.is_ready(ix), || Reason::not_allowed("the workflow is not ready"))
}

fn assign(record: &mut JobRecord, ix: WorkflowIx, at_ms: u64) {
    let Some(workflow) = record.workflows.get_mut(&ix) else { return };
    workflow.attempts += 1;
    if workflow.status == WorkflowStatus::Pending {
        // Allowed by the table: pending → assigned.
        workflow.go(WorkflowStatus::Assigned, at_ms).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, cancel_workflows, reserve, worker};
    use muster_wire::{Attempt, Token};

    #[test]
    fn the_attempt_gets_a_dispatch_token_of_its_own() {
        let mut world = World::registered();
        let first: Dispatched = world.applied(&reserve(0, 0, 1)).unwrap();
        let second: Dispatched = world.applied(&reserve(0, 1, 1)).unwrap();
        assert!(second.dispatch > first.dispatch);
        assert_eq!(first.dispatch.token(), Token(1));
        assert_eq!(world.workflow(0).status(), WorkflowStatus::Assigned);
    }

    #[test]
    fn a_repeat_gets_the_same_token() {
        let mut world = World::registered();
        let first: Dispatched = world.applied(&reserve(0, 0, 1)).unwrap();
        assert_eq!(world.same(&reserve(0, 0, 1)), Some(first));
    }

    #[test]
    fn only_the_next_attempt_of_a_waiting_shard_is_registered() {
        let mut world = World::registered();
        world.refused(&reserve(0, 0, 2), "not_allowed");
        world.applied(&reserve(0, 0, 1));
        world.refused(&reserve(0, 0, 2), "not_allowed");
        world.refused(&RegisterSubWorkflow { worker: worker(9), ..reserve(0, 0, 1) }, "not_allowed");
    }

    #[test]
    fn a_workflow_waits_for_what_it_depends_on() {
        World::registered().refused(&reserve(1, 0, 1), "not_allowed");
    }

    #[test]
    fn a_retry_waits_for_its_time() {
        let mut world = World::registered();
        world.applied(&reserve(0, 0, 1));
        world.fail_attempt(0, 0, 1);
        world.refused(&reserve(0, 0, 2), "not_yet");
        world.pass(60_000);
        world.applied(&reserve(0, 0, 2));
        assert_eq!(world.row(0, 0).last_attempt(), Attempt(2));
    }

    #[test]
    fn nothing_is_dispatched_in_the_scope_of_a_cancel() {
        let mut world = World::registered();
        world.applied(&reserve(0, 0, 1));
        world.applied(&cancel_workflows(&[0]));
        world.refused(&reserve(0, 1, 1), "not_allowed");
    }
}
