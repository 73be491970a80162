//! `GET /v1/jobs/{id}/logs`: the logs of one workflow's shards, one after the other.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use muster_consensus::Consistency;
use muster_node::facts::resolve;
use muster_node::http::{Answer, Problem};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::{LogChunk, ReadJobLog};
use muster_wire::spec::JobSpec;
use muster_wire::{JobId, Shard, WorkflowIx};
use serde::Deserialize;

use super::jobs::READ_WITHIN;
use crate::service::logs;
use crate::shared::Shared;

/// One piece of a log, bytes.
const PIECE_BYTES: u32 = 256 * 1024;
/// A log that grows is asked about this often.
const POLL: Duration = Duration::from_millis(300);
/// Logs that one answer holds.
const SOURCES_MAX: usize = 1_000;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Params {
    workflow: Option<String>,
    shard: Option<u32>,
    #[serde(default)]
    follow: bool,
}

pub(super) async fn read(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
) -> Answer<Response> {
    let job = resolve(&shared.coordinator.directory(), &id)?;
    let view = shared.coordinator.read(job, Consistency::Linearizable, READ_WITHIN).await?;
    let record = view.state.record().ok_or_else(Problem::unknown_job)?;
    let sources = sources(record.spec(), &params)?;
    let reading = Reading { shared, job, sources, offset: 0, follow: params.follow };
    let pieces = stream::unfold(reading, |mut reading| async move {
        let bytes = reading.next().await?;
        Some((Ok::<_, Infallible>(bytes), reading))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    Ok(response)
}

fn sources(spec: &JobSpec, params: &Params) -> Answer<VecDeque<(WorkflowIx, Shard)>> {
    let named = |name: &str| params.workflow.as_ref().is_none_or(|wanted| wanted == name);
    let workflows = spec.enumerate().filter(|(_, workflow)| named(&workflow.name));
    let shards =
        workflows.flat_map(|(ix, workflow)| (0..workflow.replicas).map(move |shard| (ix, Shard(shard))));
    let wanted = shards.filter(|(_, shard)| params.shard.is_none_or(|wanted| wanted == shard.0));
    let sources: VecDeque<_> = wanted.take(SOURCES_MAX).collect();
    match sources.is_empty() {
        true => Err(Problem::not_found("unknown_workflow", "the job has no such workflow or shard")),
        false => Ok(sources),
    }
}

/// Reads one log after the other.
struct Reading {
    shared: Arc<Shared>,
    job: JobId,
    sources: VecDeque<(WorkflowIx, Shard)>,
    offset: u64,
    follow: bool,
}

impl Reading {
    /// The next bytes; `None` at the end of the last log.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let source = *self.sources.front()?;
            let piece = self.ask(source).await;
            let waits = self.follow && !is_finished(&piece);
            let bytes = piece.map(|piece| piece.bytes).unwrap_or_default();
            if !bytes.is_empty() {
                self.offset += bytes.len() as u64;
                return Some(bytes.into());
            }
            self.move_on(waits).await;
        }
    }

    /// Waits for more of this log, or goes to the next one.
    async fn move_on(&mut self, waits: bool) {
        if waits {
            return tokio::time::sleep(POLL).await;
        }
        self.sources.pop_front();
        self.offset = 0;
    }

    async fn ask(&self, (workflow, shard): (WorkflowIx, Shard)) -> Result<LogChunk, RpcError> {
        let call = ReadJobLog {
            job: self.job,
            workflow,
            shard,
            offset: Some(self.offset),
            limit: PIECE_BYTES,
            place: None,
            forwarded: false,
        };
        logs::read(self.shared.clone(), call).await
    }
}

/// Is there no more to come? Of a job that is gone neither.
fn is_finished(piece: &Result<LogChunk, RpcError>) -> bool {
    match piece {
        Ok(piece) => piece.finished,
        Err(error) => matches!(error, RpcError::Gone { .. } | RpcError::UnknownJob),
    }
}
