//! The documents of a job's part in this datacenter.

use std::collections::BTreeMap;

use muster_consensus::{JobRow, View};
use muster_machine::Machine as _;
use muster_wire::WorkflowIx;
use muster_wire::api::{DatacenterPart, JobItem, JobView, Resolution, WorkflowView};
use muster_wire::job::{JobStatus, ShardCounts};

use crate::gauges;
use crate::machine::{JobRecord, ManagerJob, Workflow};

/// RFC 3339, UTC, with milliseconds.
pub(super) fn rfc3339(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.unwrap_or_default().to_string()
}

/// One line of the list.
pub(super) fn item(row: &JobRow) -> JobItem {
    let summary = row.summary;
    JobItem {
        id: row.job,
        name: row.name.clone(),
        status: summary.map_or(JobStatus::Queued, |summary| summary.status),
        version: summary.map_or(0, |summary| summary.version),
        created_at: rfc3339(row.created_at_ms),
        finished_at: summary.and_then(|summary| summary.finished_at_ms).map(rfc3339),
        labels: row.labels.clone(),
    }
}

/// One job.
pub(super) fn job(view: &View<ManagerJob>, record: &JobRecord) -> JobView {
    let (created_at_ms, started_at_ms, finished_at_ms) = record.times_ms();
    let leader = view.state.leader().map(|leader| leader.name.clone());
    let datacenter = record.datacenter().to_owned();
    JobView {
        id: record.job(),
        name: record.spec().name.clone(),
        status: record.status(),
        resolution: resolution(record),
        version: record.version(),
        token: view.state.token().0,
        created_at: rfc3339(created_at_ms),
        started_at: started_at_ms.map(rfc3339),
        finished_at: finished_at_ms.map(rfc3339),
        leader: leader.clone(),
        target_datacenters: vec![datacenter.clone()],
        datacenters: BTreeMap::from([(datacenter, part(record, leader))]),
        workflows: record.workflows().map(|(ix, known)| workflow(record, ix, known)).collect(),
        progress: record.progress(),
        errors: record.cancel_errors(),
        labels: record.spec().labels.clone(),
        age_ms: None,
        siblings: record.siblings(),
    }
}

fn resolution(record: &JobRecord) -> Option<Resolution> {
    let reason = record.reason()?.to_owned();
    Some(Resolution { reason, datacenters: vec![record.datacenter().to_owned()] })
}

fn part(record: &JobRecord, manager: Option<String>) -> DatacenterPart {
    let mut shards = ShardCounts::default();
    record.workflows().for_each(|(_, workflow)| gauges::add(&mut shards, &workflow.counts()));
    DatacenterPart {
        status: record.status(),
        manager,
        completed: shards.succeeded,
        failed: shards.failed,
        progress: record.progress(),
        reason: record.reason().map(str::to_owned),
    }
}

fn workflow(record: &JobRecord, ix: WorkflowIx, workflow: &Workflow) -> WorkflowView {
    let summary = workflow.summary(ix);
    WorkflowView {
        name: record.name(ix).to_owned(),
        status: summary.status,
        shards: summary.shards,
        attempts: summary.attempts,
        progress: summary.progress,
        error: summary.error,
        started_at: summary.started_at_ms.map(rfc3339),
        finished_at: summary.finished_at_ms.map(rfc3339),
        datacenters: vec![record.datacenter().to_owned()],
    }
}
