//! Figures about all jobs, from the directory.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_runtime::TaskKind;
use muster_wire::job::JobStatus;

use crate::gate::Gate;

const GAUGES: TaskKind = TaskKind::new("gauges");
const PERIOD: Duration = Duration::from_secs(5);

/// Keeps `muster_jobs{status}` up to date.
pub(crate) fn start(gate: &Gate) {
    let gate = gate.clone();
    gate.scope.clone().spawn_until_stop(GAUGES, async move {
        loop {
            show(&count(&gate));
            tokio::time::sleep(PERIOD).await;
        }
    });
}

fn count(gate: &Gate) -> BTreeMap<JobStatus, u64> {
    let directory = gate.coordinator.directory();
    let statuses = directory.jobs().filter_map(|row| row.summary.map(|summary| summary.status));
    statuses.fold(BTreeMap::new(), |mut counts, status| {
        *counts.entry(status).or_default() += 1;
        counts
    })
}

fn show(counts: &BTreeMap<JobStatus, u64>) {
    for status in JobStatus::ALL {
        let count = counts.get(status).copied().unwrap_or_default();
        metrics::gauge!("muster_jobs", "status" => status.word()).set(count as f64);
    }
}
