//! One job.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_wire::WorkflowIx;
use muster_wire::api::{DatacenterPart, JobView, Resolution, WorkflowView};
use muster_wire::job::{JobStatus, ShardCounts, WorkflowStatus, WorkflowSummary};
use muster_wire::spec::WorkflowSpec;

use super::{maybe_time, time};
use crate::machine::{Dc, GateJob, Record, Standing};

/// The document of a job; `None` before it is submitted.
pub fn job_view(job: &GateJob) -> Option<JobView> {
    let record = job.record.as_ref()?;
    let workflows = workflows(job);
    Some(JobView {
        id: job.job,
        name: job.spec().map(|spec| spec.name.clone()).unwrap_or_default(),
        status: record.status,
        resolution: resolution(record),
        version: record.version,
        token: job.leadership.token.0,
        created_at: time(record.created_at_ms),
        started_at: maybe_time(record.started_at_ms),
        finished_at: maybe_time(record.finished_at_ms),
        leader: leader(job),
        target_datacenters: job.targets.primaries.iter().cloned().collect(),
        datacenters: job.dcs.iter().map(|(name, dc)| (name.clone(), part(job, dc))).collect(),
        progress: progress(&workflows),
        workflows,
        errors: record.errors.iter().cloned().collect(),
        labels: job.spec().map(|spec| spec.labels.clone()).unwrap_or_default(),
        age_ms: None,
        siblings: Default::default(),
    })
}

fn resolution(record: &Record) -> Option<Resolution> {
    let settled = record.settled.as_ref()?;
    Some(Resolution { reason: settled.reason.clone(), datacenters: settled.datacenters.clone() })
}

fn leader(job: &GateJob) -> Option<String> {
    let leadership = &job.leadership;
    leadership.leader.as_ref().filter(|_| !leadership.leader_is_gone).map(|node| node.name.clone())
}

/// The job was cancelled and every datacenter has confirmed it: what they told last may be older.
fn nothing_runs(job: &GateJob) -> bool {
    job.status() == Some(JobStatus::Cancelled) && job.owed_stops().is_empty()
}

fn part_status(job: &GateJob, dc: &Dc) -> JobStatus {
    match dc.status() {
        status if status.is_terminal() || !nothing_runs(job) => status,
        _ => JobStatus::Cancelled,
    }
}

fn part(job: &GateJob, dc: &Dc) -> DatacenterPart {
    let (completed, failed, _) = dc.shard_counts();
    DatacenterPart {
        status: part_status(job, dc),
        manager: dc.manager.as_ref().map(|manager| manager.node.name.clone()),
        completed,
        failed,
        progress: dc.fraction(),
        reason: reason(dc),
    }
}

fn reason(dc: &Dc) -> Option<String> {
    let said = dc.result.as_ref().and_then(|(_, result)| result.reason.clone());
    said.or_else(|| match &dc.standing {
        Standing::Target => None,
        Standing::Refused { why } => Some(format!("refused: {why}")),
        Standing::Lost { .. } => Some("lost".into()),
    })
}

fn progress(workflows: &[WorkflowView]) -> f64 {
    let all: f64 = workflows.iter().map(|row| f64::from(row.shards.total)).sum();
    let done: f64 = workflows.iter().map(|row| row.progress * f64::from(row.shards.total)).sum();
    match all > 0.0 {
        true => (done / all).clamp(0.0, 1.0),
        false => 0.0,
    }
}

fn workflows(job: &GateJob) -> Vec<WorkflowView> {
    let Some(spec) = job.spec() else { return Vec::new() };
    spec.enumerate().map(|(ix, spec)| workflow(job, ix, spec)).collect()
}

/// One workflow over the target datacenters.
fn workflow(job: &GateJob, ix: WorkflowIx, spec: &WorkflowSpec) -> WorkflowView {
    let rows = rows(job, ix);
    let total = spec.replicas.saturating_mul(job.targets.primaries.len().max(1) as u32);
    let mut shards = shards(&rows, total);
    if nothing_runs(job) {
        shards.cancelled += std::mem::take(&mut shards.running) + std::mem::take(&mut shards.pending);
    }
    WorkflowView {
        name: spec.name.clone(),
        status: least_far(&rows, job),
        shards,
        attempts: rows.values().map(|row| row.attempts).sum(),
        progress: rows.values().map(|row| row.progress * f64::from(row.shards.total)).sum::<f64>()
            / f64::from(total.max(1)),
        error: rows.values().find_map(|row| row.error.clone()),
        started_at: maybe_time(rows.values().filter_map(|row| row.started_at_ms).min()),
        finished_at: finished_at(&rows),
        datacenters: rows.keys().map(|name| (*name).clone()).collect(),
    }
}

type Rows<'a> = BTreeMap<&'a String, Arc<WorkflowSummary>>;

fn rows(job: &GateJob, ix: WorkflowIx) -> Rows<'_> {
    let known = job.dcs.iter().filter(|(name, _)| job.targets.contains(name));
    known.filter_map(|(name, dc)| Some((name, dc.progress.as_ref()?.workflows.get(&ix)?.clone()))).collect()
}

fn finished_at(rows: &Rows<'_>) -> Option<String> {
    let ended = !rows.is_empty() && rows.values().all(|row| row.finished_at_ms.is_some());
    ended.then(|| maybe_time(rows.values().filter_map(|row| row.finished_at_ms).max())).flatten()
}

/// Summed over datacenters; shards that no datacenter has told of are pending.
fn shards(rows: &Rows<'_>, total: u32) -> ShardCounts {
    let mut sum = ShardCounts { total, ..ShardCounts::default() };
    for row in rows.values() {
        sum.running += row.shards.running;
        sum.succeeded += row.shards.succeeded;
        sum.failed += row.shards.failed;
        sum.lost += row.shards.lost;
        sum.cancelled += row.shards.cancelled;
    }
    let known = sum.running + sum.succeeded + sum.failed + sum.lost + sum.cancelled;
    sum.pending = total.saturating_sub(known);
    sum
}

/// The status of the datacenter that is least far; without word of any, by the job's own end.
fn least_far(rows: &Rows<'_>, job: &GateJob) -> WorkflowStatus {
    let first = rows.values().map(|row| row.status).min_by_key(|status| status.is_terminal());
    first.filter(|status| is_current(job, *status)).unwrap_or_else(|| by_end(job.status()))
}

fn is_current(job: &GateJob, status: WorkflowStatus) -> bool {
    status.is_terminal() || !nothing_runs(job)
}

fn by_end(status: Option<JobStatus>) -> WorkflowStatus {
    match status {
        Some(JobStatus::Cancelled) => WorkflowStatus::Cancelled,
        Some(status) if status.is_terminal() => WorkflowStatus::Skipped,
        _ => WorkflowStatus::Pending,
    }
}
