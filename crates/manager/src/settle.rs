//! What follows from the state alone: statuses that are due, and what a failure or a timeout stops. Pure; every leader
//! comes to the same.

use muster_wire::WorkflowIx;
use muster_wire::job::{CancelOrder, CancelScope, JobStatus, WorkflowStatus};
use muster_wire::spec::OnWorkflowFailure;

use crate::draft::{Draft, Pushed};
use crate::machine::commands::{
    FailureCause, InitiateCancellation, MarkAggregationFailed, MarkWorkflowCompleted, MarkWorkflowFailed,
    RegisterWorkflow, UpdateJobStatus, UpdateWorkflowStatus,
};
use crate::machine::{JobRecord, Workflow};

/// Who asked for a stop that follows from the job's own policy.
pub(crate) const BY_POLICY: &str = "muster";
/// How long workers have to confirm a stop, milliseconds.
pub(crate) const STOP_DEADLINE_MS: u64 = 60_000;
/// The largest result of a workflow, bytes encoded: it has to fit one entry of the gates' log.
const RESULT_BYTES_MAX: usize = 3 * 1024 * 1024 + 512 * 1024;
/// Status moves of one workflow in one entry.
const MOVES_MAX: usize = 4;

/// Adds the moves of workflows that are due.
pub(crate) fn settle_workflows(draft: &mut Draft) {
    let Some(record) = draft.state().record().filter(|record| !record.status().is_terminal()) else { return };
    let all: Vec<WorkflowIx> = record.spec().enumerate().map(|(ix, _)| ix).collect();
    for ix in all {
        settle_workflow(draft, ix);
    }
}

fn settle_workflow(draft: &mut Draft, ix: WorkflowIx) {
    for _ in 0..MOVES_MAX {
        let Some(step) = draft.state().record().and_then(|record| next_step(record, ix)) else { return };
        if !matches!(push(draft, ix, step), Pushed::At(_)) {
            return;
        }
    }
}

/// The next move of a workflow.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Step {
    Register,
    Complete,
    Fail(String),
    Unmergeable(String),
    Set(WorkflowStatus, String),
}

fn next_step(record: &JobRecord, ix: WorkflowIx) -> Option<Step> {
    let Some(workflow) = record.workflow(ix) else { return register(record, ix) };
    match workflow.status() {
        WorkflowStatus::Completed => Some(merge_step(record, ix, workflow)),
        // A lost attempt may still report: nothing of it ran, as was believed, and then all of it has ended well.
        WorkflowStatus::Pending => pending_step(record, ix).or_else(|| open_step(workflow)),
        WorkflowStatus::Assigned => idle_step(workflow).or_else(|| open_step(workflow)),
        WorkflowStatus::Running => open_step(workflow),
        WorkflowStatus::Cancelling => workflow.is_all_succeeded().then_some(Step::Complete),
        _ => None,
    }
}

fn register(record: &JobRecord, ix: WorkflowIx) -> Option<Step> {
    (!record.is_blocked(ix)).then_some(Step::Register)
}

fn merge_step(record: &JobRecord, ix: WorkflowIx, workflow: &Workflow) -> Step {
    if let Some(why) = workflow.unmergeable() {
        return Step::Unmergeable(why.to_owned());
    }
    match result_fits(record, ix) {
        true => Step::Set(WorkflowStatus::Aggregated, "every shard was merged".into()),
        false => Step::Unmergeable(format!("the result is over {RESULT_BYTES_MAX} bytes")),
    }
}

fn result_fits(record: &JobRecord, ix: WorkflowIx) -> bool {
    let bytes = record.workflow_result(ix).map(|result| muster_wire::encode(&result));
    matches!(bytes, Some(Ok(bytes)) if bytes.len() <= RESULT_BYTES_MAX)
}

fn pending_step(record: &JobRecord, ix: WorkflowIx) -> Option<Step> {
    let missing = record.missing_dependency(ix)?;
    let why = format!("`{}`, which it depends on, did not complete", record.name(missing));
    Some(Step::Set(WorkflowStatus::Skipped, why))
}

fn idle_step(workflow: &Workflow) -> Option<Step> {
    let nothing_started = !workflow.is_busy() && workflow.decided() == 0;
    nothing_started.then(|| Step::Set(WorkflowStatus::Pending, "nothing of it could start".into()))
}

fn open_step(workflow: &Workflow) -> Option<Step> {
    match workflow.is_all_succeeded() {
        true => Some(Step::Complete),
        false => failed_step(workflow),
    }
}

fn failed_step(workflow: &Workflow) -> Option<Step> {
    let failed = workflow.given_up() > 0;
    failed.then(|| Step::Fail(workflow.first_error().unwrap_or_default()))
}

fn push(draft: &mut Draft, workflow: WorkflowIx, step: Step) -> Pushed {
    match step {
        Step::Register => draft.push(&RegisterWorkflow { workflow }),
        Step::Complete => draft.push(&MarkWorkflowCompleted { workflow, from_worker: None }),
        Step::Fail(error) => draft.push(&MarkWorkflowFailed { workflow, error, cause: FailureCause::Shards }),
        Step::Unmergeable(error) => draft.push(&MarkAggregationFailed { workflow, error }),
        Step::Set(status, reason) => {
            draft.push(&UpdateWorkflowStatus { workflow, status, reason, error: None })
        }
    }
}

/// Adds the moves of the job that are due: what a failure or its timeout stops, and its own status.
pub(crate) fn settle_job(draft: &mut Draft) {
    stop_by_policy(draft);
    for status in [JobStatus::Running, JobStatus::Completing, JobStatus::Cancelling] {
        set_if_due(draft, status);
    }
    set_verdict(draft);
}

fn stop_by_policy(draft: &mut Draft) {
    let at_ms = draft.at_ms();
    let Some(order) = draft.state().record().and_then(|record| stop_order(record, at_ms)) else { return };
    draft.push(&InitiateCancellation { order });
}

fn stop_order(record: &JobRecord, at_ms: u64) -> Option<CancelOrder> {
    let reason = stop_reason(record, at_ms)?;
    let open =
        record.workflows().filter(|(ix, known)| !known.status().is_terminal() && !record.is_blocked(*ix));
    let open: Vec<WorkflowIx> = open.map(|(ix, _)| ix).collect();
    (!open.is_empty()).then(|| CancelOrder {
        scope: CancelScope::Workflows(open),
        reason,
        requester: BY_POLICY.into(),
        grace_ms: None,
        deadline_ms: at_ms.saturating_add(STOP_DEADLINE_MS),
    })
}

fn stop_reason(record: &JobRecord, at_ms: u64) -> Option<String> {
    let strict = record.spec().on_workflow_failure == OnWorkflowFailure::Fail;
    let failed = record.tally().failed > 0;
    match (strict && failed, at_ms >= record.deadline_ms()) {
        (true, _) => Some(failure_reason(record)),
        (false, true) => Some("the job's timeout has passed".into()),
        (false, false) => None,
    }
}

fn set_if_due(draft: &mut Draft, status: JobStatus) {
    let at_ms = draft.at_ms();
    if draft.state().record().is_some_and(|record| is_due(record, status, at_ms)) {
        draft.push(&UpdateJobStatus { status, reason: None });
    }
}

fn is_due(record: &JobRecord, status: JobStatus, at_ms: u64) -> bool {
    let verdict = record.verdict(at_ms);
    match (status, record.status()) {
        (JobStatus::Running, JobStatus::Queued) => has_started(record) | verdict.is_some(),
        (JobStatus::Completing, JobStatus::Running) => verdict.is_some_and(|end| end != JobStatus::Cancelled),
        (JobStatus::Cancelling, JobStatus::Running) => verdict == Some(JobStatus::Cancelled),
        _ => false,
    }
}

fn has_started(record: &JobRecord) -> bool {
    record
        .workflows()
        .any(|(_, workflow)| workflow.status() == WorkflowStatus::Running || workflow.decided() > 0)
}

fn set_verdict(draft: &mut Draft) {
    let at_ms = draft.at_ms();
    let Some(record) = draft.state().record().filter(|record| record.cancel().is_none()) else { return };
    let Some(status) = record.verdict(at_ms).filter(|_| !record.status().is_terminal()) else { return };
    let reason = verdict_reason(record, status);
    draft.push(&UpdateJobStatus { status, reason });
}

fn verdict_reason(record: &JobRecord, status: JobStatus) -> Option<String> {
    match status {
        JobStatus::Completed => None,
        JobStatus::TimedOut => Some("the job's timeout has passed".into()),
        JobStatus::Cancelled => Some("every workflow was cancelled".into()),
        _ => Some(failure_reason(record)),
    }
}

fn failure_reason(record: &JobRecord) -> String {
    let mut failed = record.workflows().filter(|(_, workflow)| is_failed(workflow.status()));
    match failed.next() {
        Some((ix, workflow)) => {
            format!(
                "workflow `{}` failed: {}",
                record.name(ix),
                workflow.error().unwrap_or("no reason given")
            )
        }
        None => "not every workflow completed".into(),
    }
}

const fn is_failed(status: WorkflowStatus) -> bool {
    matches!(status, WorkflowStatus::Failed | WorkflowStatus::AggregationFailed)
}

#[cfg(test)]
#[path = "settle_test.rs"]
mod settle_test;
