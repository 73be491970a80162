//! The calls that gates serve for managers. An acknowledgement means: committed by the job's group.

use std::sync::Arc;
use std::time::Duration;

use muster_consensus::{ProposeError, View};
use muster_link::{CallError, Service, router};
use muster_machine::{EntryReply, Reason};
use muster_runtime::Backoff;
use muster_wire::JobId;
use muster_wire::rpc::gate::{ReportJob, ReportProgress, ReportWorkflow, Reporter};
use muster_wire::rpc::{Ack, Call, RpcError};

use crate::gate::Gate;
use crate::machine::GateJob;
use crate::progress::{Gathered, Role};
use crate::report::{self, Report};

/// Other entries may come between the reading of a job and the proposal: so often it is tried again.
const TRIES_MAX: u32 = 6;
/// Longest wait for the gate that leads the job.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a round of progress that another call commits.
const ROUND_TIMEOUT: Duration = Duration::from_secs(8);

/// The gate's own calls.
pub fn service(gate: &Gate) -> Arc<dyn Service> {
    let (progress, workflow, job) = (gate.clone(), gate.clone(), gate.clone());
    router()
        .on::<ReportProgress, _, _>(move |_, call| report_progress(progress.clone(), call))
        .on::<ReportWorkflow, _, _>(move |_, call| report_result(workflow.clone(), call))
        .on::<ReportJob, _, _>(move |_, call| report_result(job.clone(), call))
        .build()
}

/// A report that can be sent on to the gate that leads the job.
trait Forward: Report + Call<Reply = Ack> + Clone {
    fn mark_forwarded(&mut self);
}

macro_rules! forward {
    ($($call:ty),+) => {$(
        impl Forward for $call {
            fn mark_forwarded(&mut self) {
                self.from.forwarded = true;
            }
        }
    )+};
}
forward!(ReportProgress, ReportWorkflow, ReportJob);

/// Sends the report on if another gate leads the job; `None`: it is to be dealt with here.
async fn forwarded<C: Forward>(gate: &Gate, call: &C) -> Option<Result<Ack, RpcError>> {
    let Reporter { job, forwarded, .. } = *Report::from(call);
    if gate.leads(job) {
        return None;
    }
    let me = gate.coordinator.me();
    let leader = gate.coordinator.leader(job).filter(|leader| *leader != me)?;
    if forwarded {
        return Some(Err(RpcError::NotLeader { leader: Some(Box::new(leader)) }));
    }
    let mut onward = call.clone();
    onward.mark_forwarded();
    Some(gate.links.call(&leader.addr, &onward, FORWARD_TIMEOUT).await.map_err(answer_of))
}

fn answer_of(error: CallError) -> RpcError {
    match error {
        CallError::Rpc(error) => error,
        other => RpcError::Unknown { why: other.to_string() },
    }
}

async fn report_result<C: Forward>(gate: Gate, call: C) -> Result<Ack, RpcError> {
    match forwarded(&gate, &call).await {
        Some(answer) => answer,
        None => commit(&gate, &call).await.or_else(needed_no_more),
    }
}

/// A job that is purged here needs no result any more: the manager may purge it, too.
fn needed_no_more(error: RpcError) -> Result<Ack, RpcError> {
    match error {
        RpcError::Gone { .. } => Ok(Ack {}),
        other => Err(other),
    }
}

async fn report_progress(gate: Gate, call: ReportProgress) -> Result<Ack, RpcError> {
    if let Some(answer) = forwarded(&gate, &call).await {
        return answer;
    }
    let job = call.from.job;
    report::check(&call.from, &view(&gate, job).await?.state).inspect_err(count_fenced)?;
    match gate.progress.give(call, gate.clock.now()) {
        Ok(Role::Commit { at }) => commit_rounds(&gate, job, at).await,
        Ok(Role::Wait { mut rounds, beyond }) => {
            let round = rounds.wait_for(|rounds| *rounds > beyond);
            // A round that fails is no loss: the next report says more.
            let _ = tokio::time::timeout(ROUND_TIMEOUT, round).await;
            Ok(Ack {})
        }
        Err(_) => Err(RpcError::Busy { retry_after_ms: 1_000 }),
    }
}

/// Commits round after round until nothing is pending.
async fn commit_rounds(gate: &Gate, job: JobId, at: tokio::time::Instant) -> Result<Ack, RpcError> {
    let mut next = Some(at);
    let mut outcome = Ok(Ack {});
    while let Some(at) = next {
        tokio::time::sleep_until(at).await;
        outcome = commit_gathered(gate, gate.progress.take(job)).await;
        next = gate.progress.finish(job, gate.clock.now());
    }
    outcome
}

async fn commit_gathered(gate: &Gate, gathered: Gathered) -> Result<Ack, RpcError> {
    let mut outcome = Ok(Ack {});
    for report in gathered.values() {
        outcome = commit(gate, report).await.and(outcome);
    }
    outcome
}

async fn view(gate: &Gate, job: JobId) -> Result<View<GateJob>, RpcError> {
    let view = gate.view(job).await?;
    match (view.state.tombstone, &view.state.record) {
        (Some(retired), _) => Err(RpcError::Gone { status: retired.status }),
        (None, None) => Err(RpcError::UnknownJob),
        (None, Some(_)) => Ok(view),
    }
}

/// One entry for one report, on the state as it is then.
async fn commit(gate: &Gate, report: &dyn Report) -> Result<Ack, RpcError> {
    let mut backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(200));
    let mut last = RpcError::Busy { retry_after_ms: 200 };
    while backoff.tries() < TRIES_MAX {
        match try_commit(gate, report).await {
            Err(Retry(error)) => last = error,
            Ok(answer) => return answer.inspect_err(count_fenced),
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
    Err(last)
}

/// The state has moved on, or the outcome is unknown: the same report again.
struct Retry(RpcError);

async fn try_commit(gate: &Gate, report: &dyn Report) -> Result<Result<Ack, RpcError>, Retry> {
    let job = report.from().job;
    let view = view(gate, job).await;
    let entry = match view.and_then(|view| report::entry_of(report, &view, gate.clock.unix_ms())) {
        Ok(entry) => entry,
        Err(error) => return Ok(Err(error)),
    };
    match entry.commands.is_empty() {
        true => Ok(Ok(Ack {})),
        false => gate.propose(job, entry).await.map_or_else(not_committed, |reply| judge(&reply)),
    }
}

fn not_committed(error: ProposeError) -> Result<Result<Ack, RpcError>, Retry> {
    let is_worth_a_retry = matches!(error, ProposeError::Unknown | ProposeError::NotLeader { .. });
    match is_worth_a_retry {
        true => Err(Retry(error.into())),
        false => Ok(Err(error.into())),
    }
}

fn judge(reply: &EntryReply) -> Result<Result<Ack, RpcError>, Retry> {
    match reply.rejection() {
        None => Ok(Ok(Ack {})),
        Some(Reason::Conflict { .. } | Reason::Fenced { .. }) => {
            Err(Retry(RpcError::Busy { retry_after_ms: 200 }))
        }
        Some(Reason::Gone { status }) => Ok(Err(RpcError::Gone { status: *status })),
        Some(reason) => Ok(Err(RpcError::Refused { why: reason.to_string() })),
    }
}

fn count_fenced(error: &RpcError) {
    if matches!(error, RpcError::Fenced { .. }) {
        metrics::counter!("muster_fenced_total", "at" => "gate").increment(1);
    }
}
