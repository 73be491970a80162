//! Moves the job's status on: running once a datacenter runs it, terminal once the datacenters have decided it, its
//! cancel is confirmed, or its time is over.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use muster_machine::Entry;
use muster_node::driver::{Next, Reconciler};
use muster_wire::CodecError;
use muster_wire::job::JobStatus;

use super::{Job, acts, commit, entry, settled, unencodable};
use crate::machine::commands::SetJob;
use crate::machine::transition::way;
use crate::machine::{GateJob, Record, Settled, Verdict, verdict};

/// After the last confirmation a cancelled job waits so long for its datacenters' results, ms.
const LAST_RESULTS_MS: u64 = 1_000;
/// After a cancel's deadline datacenters have so long to confirm, ms.
const CONFIRM_GRACE_MS: u64 = 15_000;

pub(super) struct FinishDuty;

impl Reconciler<GateJob> for FinishDuty {
    fn name(&self) -> &'static str {
        "finish"
    }

    fn reconcile<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Next> {
        async move { settled(finish(job).await) }.boxed()
    }
}

async fn finish(job: &Job) -> Result<Next, Next> {
    let Some(record) = open_record(job) else { return Ok(Next::Idle) };
    let now_ms = job.now_ms();
    match decision(&job.view.state, record, now_ms) {
        Some(verdict) => {
            let entry = moves(job, record, verdict).map_err(|error| unencodable(&error))?;
            commit(job, "finish", entry).await?;
            Ok(Next::Again)
        }
        None => Ok(Next::After(next_look(&job.view.state, record, now_ms))),
    }
}

fn open_record(job: &Job) -> Option<&Record> {
    let record = job.view.state.record.as_ref()?;
    (acts(job) && !record.status.is_terminal()).then_some(record)
}

/// The status to move to next, if any.
pub(super) fn decision(job: &GateJob, record: &Record, now_ms: u64) -> Option<Verdict> {
    match record.status {
        JobStatus::Cancelling => cancelled(job, record, now_ms).or_else(|| timed_out(job, now_ms)),
        _ => verdict(job).or_else(|| timed_out(job, now_ms)).or_else(|| running(job, record)),
    }
}

fn cancelled(job: &GateJob, record: &Record, now_ms: u64) -> Option<Verdict> {
    let order = record.cancel.as_ref()?;
    let owed = job.owed_stops();
    let deadline = order.deadline_ms.saturating_add(CONFIRM_GRACE_MS);
    let ready = match owed.is_empty() {
        true => have_all_results(job) || now_ms >= record.changed_at_ms + LAST_RESULTS_MS,
        false => now_ms >= deadline,
    };
    ready.then(|| said(JobStatus::Cancelled, cancel_reason(&order.requester, &order.reason, &owed), owed))
}

fn cancel_reason(requester: &str, reason: &str, owed: &[String]) -> String {
    match owed.is_empty() {
        true => format!("cancelled by {requester}: {reason}"),
        false => format!("cancelled by {requester}: {reason}; not confirmed by {}", owed.join(", ")),
    }
}

fn have_all_results(job: &GateJob) -> bool {
    job.dcs.values().filter(|dc| dc.was_leased()).all(|dc| dc.result.is_some())
}

fn timed_out(job: &GateJob, now_ms: u64) -> Option<Verdict> {
    let over = job.timeout_at_ms().is_some_and(|at_ms| now_ms >= at_ms);
    let open =
        || job.targets.primaries.iter().filter(|name| job.dc(name).is_none_or(|dc| dc.result.is_none()));
    let reason = || {
        format!(
            "the job's timeout passed; not reported by {}",
            open().cloned().collect::<Vec<_>>().join(", ")
        )
    };
    over.then(|| said(JobStatus::TimedOut, reason(), open().cloned().collect()))
}

fn running(job: &GateJob, record: &Record) -> Option<Verdict> {
    let waits = matches!(record.status, JobStatus::Submitted | JobStatus::Dispatching);
    let runs = |status| matches!(status, JobStatus::Running | JobStatus::Completing);
    let (name, _) = job.dcs.iter().find(|(_, dc)| runs(dc.status()) || dc.result.is_some())?;
    waits.then(|| said(JobStatus::Running, format!("running in {name}"), vec![name.clone()]))
}

fn said(status: JobStatus, reason: String, datacenters: Vec<String>) -> Verdict {
    Verdict { status, settled: Settled { reason, datacenters } }
}

/// One `set_job` for each status on the way.
fn moves(job: &Job, record: &Record, verdict: Verdict) -> Result<Entry, CodecError> {
    let statuses = way(record.status, verdict.status).unwrap_or_else(|| vec![verdict.status]);
    let mut entry = entry(job);
    for (at, status) in statuses.into_iter().enumerate() {
        let command =
            SetJob::at(record.record_version + at as u64).to(status, verdict.settled.reason.clone());
        entry.push(&SetJob { deciders: verdict.settled.datacenters.clone(), ..command })?;
    }
    Ok(entry)
}

fn next_look(job: &GateJob, record: &Record, now_ms: u64) -> Duration {
    let timeout = job.timeout_at_ms();
    let cancel = record.cancel.as_ref().map(|_| now_ms + LAST_RESULTS_MS);
    let at_ms = timeout.into_iter().chain(cancel).min().unwrap_or(u64::MAX);
    Duration::from_millis(at_ms.saturating_sub(now_ms).clamp(50, 60_000))
}

#[cfg(test)]
#[path = "finish_test.rs"]
mod finish_test;
