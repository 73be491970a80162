//! Jobs in lists.

use muster_consensus::JobRow;
use muster_consensus::directory::JobSummary;
use muster_wire::Token;
use muster_wire::api::JobItem;
use muster_wire::job::JobStatus;

use super::{maybe_time, time};
use crate::machine::GateJob;

/// A job at a glance, as its leader tells the directory.
pub fn summary(job: &GateJob) -> JobSummary {
    let record = job.record.as_ref();
    let (completed, total) = job.dcs.values().fold((0, 0), |(done, all), dc| {
        let (succeeded, failed, total) = dc.shard_counts();
        (done + succeeded + failed, all + total)
    });
    let percent = (completed * 100).checked_div(total).unwrap_or(0);
    JobSummary {
        status: job.status().unwrap_or(JobStatus::Submitted),
        version: record.map_or(0, |record| record.version),
        token: job.tombstone.map_or(job.leadership.token, |retired| retired.token).max(Token(0)),
        progress_percent: percent.min(100) as u8,
        created_at_ms: record.map_or_else(|| job.registered_at_ms(), |record| record.created_at_ms),
        started_at_ms: record.and_then(|record| record.started_at_ms),
        finished_at_ms: record.and_then(|record| record.finished_at_ms),
        delivered: job.is_terminal() && job.owed_stops().is_empty() && !job.owes_callbacks(),
    }
}

/// One row of the directory as an item of a list.
pub fn item(row: &JobRow) -> JobItem {
    let summary = row.summary;
    JobItem {
        id: row.job,
        name: row.name.clone(),
        status: summary.map_or(JobStatus::Submitted, |summary| summary.status),
        version: summary.map_or(0, |summary| summary.version),
        created_at: time(row.created_at_ms),
        finished_at: maybe_time(summary.and_then(|summary| summary.finished_at_ms)),
        labels: row.labels.clone(),
    }
}
