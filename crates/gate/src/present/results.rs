//! What came out of a job.

use std::collections::BTreeMap;

use muster_wire::api::{DatacenterResults, JobResults, ShardResultView, WorkflowResults};
use muster_wire::job::{JobStatus, ShardResult, WorkflowResult};
use muster_wire::spec::ContextValue;
use serde_json::Value;

use super::maybe_time;
use crate::machine::{Dc, GateJob};

/// The document of a job's results so far; `None` before it is submitted.
pub fn results(job: &GateJob) -> Option<JobResults> {
    let status = job.record.as_ref()?.status;
    let ended = job.dcs.iter().filter(|(_, dc)| dc.result.is_some() || !dc.workflow_results.is_empty());
    let datacenters = ended.map(|(name, dc)| (name.clone(), datacenter(job, dc))).collect();
    Some(JobResults { id: job.job, status, datacenters, context: context(job) })
}

fn datacenter(job: &GateJob, dc: &Dc) -> DatacenterResults {
    let named = dc.workflow_results.iter().filter_map(|(ix, (_, result))| {
        let name = job.spec()?.workflow(*ix)?.name.clone();
        Some((name, workflow(result)))
    });
    DatacenterResults { workflows: named.collect() }
}

fn workflow(result: &WorkflowResult) -> WorkflowResults {
    let shards = result.shards.iter().map(shard).collect();
    WorkflowResults { status: result.status, error: result.error.clone(), shards }
}

fn shard(result: &ShardResult) -> ShardResultView {
    ShardResultView {
        shard: result.shard.0,
        attempt: result.attempt.0,
        worker: result.worker.clone(),
        kind: result.exit.kind,
        exit_code: result.exit.code,
        signal: result.exit.signal,
        error: result.exit.error.clone(),
        outputs: values(&result.outputs),
        started_at: maybe_time(Some(result.started_at_ms)),
        finished_at: maybe_time(Some(result.finished_at_ms)),
    }
}

/// Of the first target that completed; else of the first that has ended.
fn context(job: &GateJob) -> BTreeMap<String, Value> {
    let ended = || job.dcs.values().filter_map(|dc| dc.result.as_ref().map(|(_, result)| result));
    let completed = ended().find(|result| result.status == JobStatus::Completed);
    completed.or_else(|| ended().next()).map(|result| values(&result.context)).unwrap_or_default()
}

fn values(texts: &BTreeMap<String, ContextValue>) -> BTreeMap<String, Value> {
    texts.iter().map(|(key, value)| (key.clone(), value.to_json())).collect()
}
