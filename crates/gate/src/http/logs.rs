//! `GET /v1/jobs/{id}/logs`: shards' logs, read from the workers through a manager of the datacenter.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use muster_consensus::Consistency;
use muster_node::http::{Answer, Problem};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::{LogChunk, LogPlace, ReadJobLog};
use muster_wire::spec::WorkflowSpec;
use muster_wire::{Shard, WorkflowIx};
use serde::Deserialize;

use super::place;
use super::resolve::read;
use crate::ask::{Asked, ask_datacenter};
use crate::gate::Gate;
use crate::machine::GateJob;

const CHUNK_BYTES: u32 = 256 * 1024;
/// A log that grows is asked about this often.
const POLL: Duration = Duration::from_millis(300);
/// Logs that one answer holds.
const SOURCES_MAX: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct Params {
    workflow: Option<String>,
    shard: Option<u32>,
    datacenter: Option<String>,
    #[serde(default)]
    follow: bool,
    tail: Option<usize>,
}

pub(super) async fn logs(
    State(gate): State<Gate>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
) -> Answer<Response> {
    let view = read(&gate, &id, Consistency::Linearizable).await?;
    let sources = sources(&view.state, &params)?;
    let dc = place::datacenter(&view.state, params.datacenter.as_deref())?;
    let mut reading = Reading::new(&gate, (view.state, dc), (sources, params));
    // A log that grows may begin much later than its answer.
    let first = match reading.params.follow {
        true => None,
        false => reading.next().await?,
    };
    let rest = stream::unfold((first, reading), |(first, mut reading)| async move {
        let bytes = match first {
            Some(bytes) => bytes,
            None => reading.next().await.ok().flatten()?,
        };
        Some((Ok::<_, std::convert::Infallible>(bytes), (None, reading)))
    });
    let mut response = Response::new(Body::from_stream(rest));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

/// One shard's log.
#[derive(Clone, Debug)]
struct Source {
    name: String,
    workflow: WorkflowIx,
    shard: Shard,
}

fn sources(job: &GateJob, params: &Params) -> Answer<VecDeque<Source>> {
    let spec = job.spec().ok_or_else(Problem::unknown_job)?;
    let wanted = |workflow: &WorkflowSpec| params.workflow.as_ref().is_none_or(|name| *name == workflow.name);
    let workflows = spec.enumerate().filter(|(_, workflow)| wanted(workflow));
    let all = workflows
        .flat_map(|(ix, workflow)| shards(params.shard, workflow).map(move |shard| (ix, workflow, shard)));
    let sources: VecDeque<Source> = all
        .take(SOURCES_MAX)
        .map(|(workflow, spec, shard)| Source { name: spec.name.clone(), workflow, shard })
        .collect();
    match sources.is_empty() {
        true => Err(Problem::not_found("unknown_workflow", "the job has no such workflow or shard")),
        false => Ok(sources),
    }
}

fn shards(wanted: Option<u32>, workflow: &WorkflowSpec) -> impl Iterator<Item = Shard> + use<> {
    (0..workflow.replicas).filter(move |shard| wanted.is_none_or(|wanted| wanted == *shard)).map(Shard)
}

/// Reads one log after the other.
struct Reading {
    gate: Gate,
    job: Arc<GateJob>,
    dc: String,
    sources: VecDeque<Source>,
    offset: u64,
    has_several: bool,
    is_begun: bool,
    is_named: bool,
    params: Params,
}

impl Reading {
    fn new(
        gate: &Gate,
        (job, dc): (Arc<GateJob>, String),
        (sources, params): (VecDeque<Source>, Params),
    ) -> Self {
        let has_several = sources.len() > 1;
        let (gate, offset) = (gate.clone(), 0);
        Self { gate, job, dc, sources, offset, has_several, is_begun: false, is_named: false, params }
    }

    /// The next bytes; `None` at the end. An error ends the answer.
    async fn next(&mut self) -> Answer<Option<Bytes>> {
        loop {
            let Some(source) = self.sources.front().cloned() else { return Ok(None) };
            let chunk = self.read(&source).await?;
            if let Some(bytes) = self.take(&source, chunk) {
                return Ok(Some(bytes));
            }
            if self.is_begun {
                self.wait().await;
            }
        }
    }

    /// Until there may be more; a job that ends meanwhile is seen.
    async fn wait(&mut self) {
        tokio::time::sleep(POLL).await;
        if let Ok(view) = self.gate.view(self.job.job).await {
            self.job = view.state;
        }
    }

    /// A job that was purged in its datacenter has ended: its result says where the log is.
    async fn read(&mut self, source: &Source) -> Answer<Option<LogChunk>> {
        let first = self.ask(source).await;
        if !matches!(first, Asked::Said(RpcError::Gone { .. } | RpcError::UnknownJob)) {
            return self.heard(first);
        }
        self.job = self.gate.read(self.job.job, Consistency::Linearizable).await?.state;
        let second = self.ask(source).await;
        self.heard(second)
    }

    async fn ask(&self, source: &Source) -> Asked<LogChunk> {
        let from_end = self.params.tail.is_some() && !self.is_begun;
        let call = ReadJobLog {
            job: self.job.job,
            workflow: source.workflow,
            shard: source.shard,
            offset: (!from_end).then_some(self.offset),
            limit: CHUNK_BYTES,
            place: self.place(source),
            forwarded: false,
        };
        ask_datacenter(&self.gate, (&self.job, &self.dc), &call).await
    }

    fn place(&self, source: &Source) -> Option<LogPlace> {
        let (_, result) = self.job.dc(&self.dc)?.workflow_results.get(&source.workflow)?;
        let shard = result.shards.iter().find(|shard| shard.shard == source.shard)?;
        Some(LogPlace { attempt: shard.attempt, worker: shard.worker.clone() })
    }

    fn heard(&self, asked: Asked<LogChunk>) -> Answer<Option<LogChunk>> {
        let silence = || format!("{} does not answer", self.dc);
        match asked {
            Asked::Reply(chunk) => Ok(Some(chunk)),
            Asked::Said(error) => self.without_log(&error),
            Asked::Silence => Err(Problem::unavailable("no_datacenter", silence())),
        }
    }

    /// A shard without a log is an error only when it is the one that was asked for.
    fn without_log(&self, error: &RpcError) -> Answer<Option<LogChunk>> {
        let is_patient = self.has_several || self.params.follow;
        match is_patient && matches!(error, RpcError::Refused { .. }) {
            true => Ok(None),
            false => Err(Problem::not_found("no_log", format!("there is no such log: {error}"))),
        }
    }

    /// The bytes to send; moves on to the next log at the end of this one. `None`: nothing now.
    fn take(&mut self, source: &Source, chunk: Option<LogChunk>) -> Option<Bytes> {
        let Some(chunk) = chunk else { return self.skip() };
        let header = self.header(source);
        let skipped = lines_from_end(&chunk.bytes, self.params.tail.filter(|_| !self.is_begun));
        let at_end = self.is_end(&chunk);
        self.offset = chunk.offset + chunk.bytes.len() as u64;
        self.is_begun = true;
        self.is_named = true;
        if at_end {
            self.move_on();
        }
        let bytes = [header.as_bytes(), &chunk.bytes[skipped..]].concat();
        (!bytes.is_empty()).then(|| bytes.into())
    }

    /// Is nothing more to be sent of this log?
    fn is_end(&self, chunk: &LogChunk) -> bool {
        let is_short = (chunk.bytes.len() as u32) < CHUNK_BYTES;
        chunk.finished || (is_short && !self.is_growing())
    }

    fn is_growing(&self) -> bool {
        self.params.follow && !self.job.is_terminal()
    }

    /// There is no such log: yet when following, at all otherwise.
    fn skip(&mut self) -> Option<Bytes> {
        match self.is_growing() {
            true => self.is_begun = true,
            false => self.move_on(),
        }
        None
    }

    fn move_on(&mut self) {
        self.sources.pop_front();
        self.offset = 0;
        self.is_begun = false;
        self.is_named = false;
    }

    fn header(&self, source: &Source) -> String {
        match self.has_several && !self.is_named {
            true => format!("==> {}[{}] <==\n", source.name, source.shard),
            false => String::new(),
        }
    }
}

/// Where the last `tail` lines begin.
fn lines_from_end(bytes: &[u8], tail: Option<usize>) -> usize {
    let Some(tail) = tail else { return 0 };
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    match tail {
        0 => bytes.len(),
        _ => breaks.nth(tail - 1).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_begins_at_a_line() {
        let text = b"one\ntwo\nthree\n";
        let tail = |lines| &text[lines_from_end(text, Some(lines))..];
        assert_eq!(tail(0), b"");
        assert_eq!(tail(1), b"three\n");
        assert_eq!(tail(2), b"two\nthree\n");
        assert_eq!(tail(9), text);
    }
}
