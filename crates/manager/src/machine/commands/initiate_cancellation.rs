//! `initiate_cancellation`: from its commit on nothing of the scope is registered, dispatched or retried.

use std::collections::BTreeSet;

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::WorkflowIx;
use muster_wire::job::{AttemptKey, CancelOrder, CancelScope, JobStatus, WorkflowStatus};
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::cancel::Cancel;
use crate::machine::graph;
use crate::machine::record::{Ending, JobRecord};
use crate::machine::state::ManagerJob;

/// Cancels the job, or workflows with what depends on them. The pending set is computed here: the open attempts; all
/// else is cancelled at once. The reply is its size. Refused: the job has ended (`AlreadyTerminal`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InitiateCancellation {
    /// What, why, until when.
    pub order: CancelOrder,
}

impl Apply<ManagerJob> for InitiateCancellation {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.initiate(state, stamp))
    }
}

impl InitiateCancellation {
    fn initiate(self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        let status = record.status;
        ensure(!status.is_terminal(), || Reason::AlreadyTerminal { status })?;
        let scope = self.scope(record);
        if self.is_repeat(record, &scope) {
            return Ok(Outcome::noop(&pending(record)));
        }
        record.blocked.extend(scope.iter().copied());
        self.note(record, &scope);
        self.stop(record, &scope, stamp.at_ms)?;
        Ok(Outcome::applied(&pending(record)))
    }

    fn scope(&self, record: &JobRecord) -> BTreeSet<WorkflowIx> {
        match &self.order.scope {
            CancelScope::Job => record.spec.enumerate().map(|(ix, _)| ix).collect(),
            CancelScope::Workflows(roots) => graph::with_dependents(&record.spec, roots),
        }
    }

    fn is_repeat(&self, record: &JobRecord, scope: &BTreeSet<WorkflowIx>) -> bool {
        match self.order.scope {
            CancelScope::Job => record.status == JobStatus::Cancelling,
            CancelScope::Workflows(_) => scope.iter().all(|ix| record.is_blocked(*ix)),
        }
    }

    /// What an earlier cancel still waits for goes on under this order, unless that was of the whole job.
    fn note(&self, record: &mut JobRecord, scope: &BTreeSet<WorkflowIx>) {
        let mut cancel = record.cancel.take().unwrap_or_else(|| self.cancel());
        if cancel.order.scope != CancelScope::Job {
            cancel.order = self.order.clone();
        }
        cancel.pending.extend(scope.iter().flat_map(|ix| open_attempts(record, *ix)));
        record.cancel = Some(cancel);
    }

    fn cancel(&self) -> Cancel {
        Cancel { order: self.order.clone(), pending: Default::default() }
    }

    fn stop(&self, record: &mut JobRecord, scope: &BTreeSet<WorkflowIx>, at_ms: u64) -> Result<(), Reason> {
        if self.order.scope == CancelScope::Job {
            record.go(JobStatus::Cancelling, Some(self.order.reason.clone()), at_ms)?;
        }
        scope.iter().try_for_each(|ix| self.stop_workflow(record, *ix, at_ms))
    }

    fn stop_workflow(&self, record: &mut JobRecord, ix: WorkflowIx, at_ms: u64) -> Result<(), Reason> {
        let Some(workflow) = record.workflows.get_mut(&ix).filter(|known| !known.status.is_terminal()) else {
            return Ok(());
        };
        workflow.close_idle();
        let busy = workflow.is_busy();
        if workflow.status != WorkflowStatus::Cancelling {
            record.move_workflow(ix, WorkflowStatus::Cancelling, at_ms)?;
        }
        match busy {
            true => Ok(()),
            false => record.end_workflow(ix, &self.ending(at_ms)),
        }
    }

    fn ending(&self, at_ms: u64) -> Ending<'_> {
        Ending { status: WorkflowStatus::Cancelled, error: &self.order.reason, at_ms }
    }
}

fn pending(record: &JobRecord) -> u32 {
    record.cancel.as_ref().map_or(0, |cancel| cancel.pending.len() as u32)
}

fn open_attempts(record: &JobRecord, workflow: WorkflowIx) -> Vec<AttemptKey> {
    let open = record.workflow(workflow).into_iter().flat_map(|known| known.open());
    open.map(|(shard, row)| AttemptKey { workflow, shard, attempt: row.last_attempt() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, cancel_job, cancel_workflows};

    #[test]
    fn the_pending_set_is_the_open_attempts_and_the_rest_is_cancelled_at_once() {
        let mut world = World::started();
        assert_eq!(world.applied(&cancel_job()), Some(2));
        assert_eq!(world.state().status(), Some(JobStatus::Cancelling));
        assert_eq!(world.workflow(0).status(), WorkflowStatus::Cancelling);
        assert_eq!(world.workflow(1).status(), WorkflowStatus::Cancelled);
    }

    #[test]
    fn a_cancel_of_workflows_takes_what_depends_on_them_and_leaves_the_job_open() {
        let mut world = World::registered();
        world.applied(&cancel_workflows(&[0]));
        assert_eq!(world.state().status(), Some(JobStatus::Queued));
        assert!(world.record().is_all_ended());
    }

    #[test]
    fn a_cancel_of_the_job_widens_a_cancel_of_workflows() {
        let mut world = World::started();
        world.applied(&cancel_workflows(&[1]));
        world.applied(&cancel_job());
        assert_eq!(world.record().cancel.as_ref().unwrap().order.scope, CancelScope::Job);
        world.same(&cancel_job());
    }

    #[test]
    fn an_ended_job_says_how_it_ended() {
        World::completed().refused(&cancel_job(), "already_terminal");
    }
}
