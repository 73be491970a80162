//! `complete_cancellation`: nothing of the scope runs any more, or the deadline has passed.

use imbl::OrdSet;
use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::{AttemptKey, CancelScope, Exit, ExitKind, JobStatus, WorkflowStatus};
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::cancel::Cancel;
use crate::machine::limits::{CANCEL_ERRORS_MAX, ERROR_BYTES_MAX};
use crate::machine::record::{Ending, JobRecord};
use crate::machine::shard::Certainty;
use crate::machine::state::ManagerJob;
use crate::machine::text::cut;

/// Completes a cancel. Refused: nothing is being cancelled (`NotAllowed`); attempts left that are not confirmed, unless
/// forced past the deadline (`NotYet`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CompleteCancellation {
    /// Attempts that workers confirmed as stopped.
    pub confirmed: Vec<AttemptKey>,
    /// Errors met, for people.
    pub errors: Vec<String>,
    /// End it past its deadline, and list what is not confirmed.
    pub force: bool,
}

impl Apply<ManagerJob> for CompleteCancellation {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.complete(state, stamp))
    }
}

impl CompleteCancellation {
    fn complete(self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        let Some(cancel) = record.cancel.clone() else { return repeat(record) };
        let left = self.left(&cancel);
        let forced = self.force & cancel.is_overdue(stamp.at_ms);
        ensure(left.is_empty() | forced, || Reason::NotYet)?;
        stop_all(record, &cancel.pending, stamp.at_ms);
        end_workflows(record, &cancel, stamp.at_ms)?;
        self.list_errors(record, &left);
        record.cancel = None;
        if cancel.order.scope == CancelScope::Job {
            record.go(JobStatus::Cancelled, None, stamp.at_ms)?;
        }
        Ok(Outcome::applied(&record.status))
    }

    fn left(&self, cancel: &Cancel) -> OrdSet<AttemptKey> {
        let confirmed: OrdSet<AttemptKey> = self.confirmed.iter().copied().collect();
        cancel.pending.clone().relative_complement(confirmed)
    }

    fn list_errors(&self, record: &mut JobRecord, left: &OrdSet<AttemptKey>) {
        let unconfirmed: Vec<String> = left.iter().map(|key| unconfirmed(record, *key)).collect();
        let room = CANCEL_ERRORS_MAX.saturating_sub(record.cancel_errors.len());
        let errors = self.errors.iter().chain(&unconfirmed).take(room);
        record.cancel_errors.extend(errors.map(|error| cut(error, ERROR_BYTES_MAX)));
    }
}

fn repeat(record: &JobRecord) -> Result<Outcome, Reason> {
    let done = !record.blocked.is_empty();
    ensure(done, || Reason::not_allowed("nothing is being cancelled"))?;
    Ok(Outcome::noop(&record.status))
}

fn unconfirmed(record: &JobRecord, key: AttemptKey) -> String {
    let AttemptKey { workflow, shard, attempt } = key;
    format!("attempt {attempt} of shard {shard} of `{}` was not confirmed as stopped", record.name(workflow))
}

fn stop_all(record: &mut JobRecord, pending: &OrdSet<AttemptKey>, at_ms: u64) {
    let exit = Exit { kind: ExitKind::Cancelled, code: None, signal: None, error: None };
    for key in pending {
        record.end_attempt(*key, (&exit, Certainty::Certain), at_ms);
    }
}

/// A workflow whose every shard was accepted before is left to complete: the log decides.
fn end_workflows(record: &mut JobRecord, cancel: &Cancel, at_ms: u64) -> Result<(), Reason> {
    let open = record.workflows.iter().filter(|(_, known)| known.status == WorkflowStatus::Cancelling);
    let open: Vec<_> = open.map(|(ix, known)| (*ix, end_of(known.is_all_succeeded()))).collect();
    for (ix, status) in open {
        let ending = Ending { status, error: &cancel.order.reason, at_ms };
        match status {
            WorkflowStatus::Completed => record.move_workflow(ix, status, at_ms)?,
            _ => record.end_workflow(ix, &ending)?,
        }
    }
    Ok(())
}

const fn end_of(all_succeeded: bool) -> WorkflowStatus {
    match all_succeeded {
        true => WorkflowStatus::Completed,
        false => WorkflowStatus::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, cancel_job, cancel_workflows, key, stopped};

    #[test]
    fn confirmed_attempts_end_the_cancel() {
        let mut world = World::started();
        world.applied(&cancel_job());
        world.refused(&stopped(&[key(0, 0, 1)]), "not_yet");
        world.applied(&stopped(&[key(0, 0, 1), key(0, 1, 1)]));
        assert_eq!(world.state().status(), Some(JobStatus::Cancelled));
        assert!(!world.workflow(0).is_busy());
    }

    #[test]
    fn past_its_deadline_it_ends_anyway_and_lists_what_is_not_confirmed() {
        let mut world = World::started();
        world.applied(&cancel_job());
        let force = CompleteCancellation { force: true, ..stopped(&[key(0, 0, 1)]) };
        world.refused(&force, "not_yet");
        world.pass(60_000);
        world.applied(&force);
        assert_eq!(world.record().cancel_errors.len(), 1);
    }

    #[test]
    fn a_cancel_of_workflows_leaves_the_job_open() {
        let mut world = World::started();
        world.applied(&cancel_workflows(&[0]));
        world.applied(&stopped(&[key(0, 0, 1), key(0, 1, 1)]));
        assert_eq!(world.state().status(), Some(JobStatus::Queued));
        assert_eq!(world.workflow(0).status(), WorkflowStatus::Cancelled);
    }

    #[test]
    fn there_must_be_a_cancel() {
        World::started().refused(&stopped(&[]), "not_allowed");
    }
}
