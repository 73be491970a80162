//! `GET /v1/jobs/{id}/results`: what came out of the job in this datacenter.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use muster_consensus::Consistency;
use muster_node::facts::resolve;
use muster_node::http::{Answer, Problem};
use muster_wire::api::{DatacenterResults, JobResults, ShardResultView, WorkflowResults};
use muster_wire::job::{ShardResult, WorkflowResult};
use muster_wire::spec::ContextValue;
use serde_json::Value;

use super::jobs::READ_WITHIN;
use super::view::rfc3339;
use crate::machine::JobRecord;
use crate::shared::Shared;

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Answer<Json<JobResults>> {
    let job = resolve(&shared.coordinator.directory(), &id)?;
    let view = shared.coordinator.read(job, Consistency::Linearizable, READ_WITHIN).await?;
    Ok(Json(document(view.state.record().ok_or_else(Problem::unknown_job)?)))
}

fn document(record: &JobRecord) -> JobResults {
    let results = record.workflows().filter_map(|(ix, _)| {
        let result = record.workflow_result(ix)?;
        Some((record.name(ix).to_owned(), workflow(&result)))
    });
    let here = DatacenterResults { workflows: results.collect() };
    JobResults {
        id: record.job(),
        status: record.status(),
        datacenters: BTreeMap::from([(record.datacenter().to_owned(), here)]),
        context: values(&record.context().values()),
    }
}

fn workflow(result: &WorkflowResult) -> WorkflowResults {
    let shards = result.shards.iter().map(shard).collect();
    WorkflowResults { status: result.status, error: result.error.clone(), shards }
}

fn shard(result: &ShardResult) -> ShardResultView {
    let time = |at_ms: u64| (at_ms > 0).then(|| rfc3339(at_ms));
    ShardResultView {
        shard: result.shard.0,
        attempt: result.attempt.0,
        worker: result.worker.clone(),
        kind: result.exit.kind,
        exit_code: result.exit.code,
        signal: result.exit.signal,
        error: result.exit.error.clone(),
        outputs: values(&result.outputs),
        started_at: time(result.started_at_ms),
        finished_at: time(result.finished_at_ms),
    }
}

fn values(texts: &BTreeMap<String, ContextValue>) -> BTreeMap<String, Value> {
    texts.iter().map(|(key, value)| (key.clone(), value.to_json())).collect()
}
