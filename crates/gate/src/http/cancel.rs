//! `POST /v1/jobs/{id}/cancel`, at any gate.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use muster_consensus::{Consistency, View};
use muster_machine::Reason;
use muster_node::http::{Answer, Caller, Problem};
use muster_wire::api::{CancelRequest, Cancelled};
use muster_wire::job::{CancelOrder, CancelScope, JobStatus};
use muster_wire::spec::JobSpec;
use muster_wire::{Token, WorkflowIx};

use super::duration;
use super::resolve::read;
use crate::gate::Gate;
use crate::machine::GateJob;
use crate::machine::commands::{JobVersions, SetJob};

/// Unconfirmed attempts are listed and the cancel ends anyway after this.
const DEADLINE_MS: u64 = 60_000;
/// Longest reason that is kept, bytes.
const REASON_BYTES_MAX: usize = 1_024;
/// Other entries may come between the reading of a job and the proposal.
const TRIES_MAX: usize = 8;

pub(super) async fn cancel(
    State(gate): State<Gate>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer<Response> {
    let request = parse(&body)?;
    for _ in 0..TRIES_MAX {
        let view = read(&gate, &id, Consistency::Linearizable).await?;
        check_open(&view.state)?;
        let order = CancelOrder { requester: requester(&caller), ..order(&gate, &view.state, &request)? };
        if let Some(status) = commit(&gate, &view, order).await? {
            return Ok((StatusCode::ACCEPTED, Json(Cancelled { status })).into_response());
        }
    }
    Err(Problem::busy(Duration::from_secs(1)))
}

/// Who asks: the token's name where there are tokens.
pub(super) fn requester(caller: &Caller) -> String {
    caller.name().unwrap_or("api").to_owned()
}

fn parse(body: &Bytes) -> Answer<CancelRequest> {
    match body.is_empty() {
        true => Ok(CancelRequest::default()),
        false => serde_json::from_slice(body).map_err(|error| Problem::malformed(error.to_string())),
    }
}

fn check_open(job: &GateJob) -> Answer<()> {
    match job.status() {
        Some(status) if status.is_terminal() => Err(already(status)),
        _ => Ok(()),
    }
}

fn already(status: JobStatus) -> Problem {
    Problem::conflict("already_terminal", format!("the job is {status} already")).with_job_status(status)
}

fn order(gate: &Gate, job: &GateJob, request: &CancelRequest) -> Answer<CancelOrder> {
    let grace = request.grace.as_deref().map(|text| duration("grace", text)).transpose()?;
    let reason: String = request.reason.chars().scan(0, within_bytes).collect();
    Ok(CancelOrder {
        scope: scope(job, request)?,
        reason,
        requester: String::new(),
        grace_ms: grace.map(|grace| grace.as_millis() as u64),
        deadline_ms: gate.clock.unix_ms() + DEADLINE_MS,
    })
}

fn within_bytes(bytes: &mut usize, sign: char) -> Option<char> {
    *bytes += sign.len_utf8();
    (*bytes <= REASON_BYTES_MAX).then_some(sign)
}

fn scope(job: &GateJob, request: &CancelRequest) -> Answer<CancelScope> {
    let Some(names) = &request.workflows else { return Ok(CancelScope::Job) };
    let spec = job.spec().ok_or_else(Problem::unknown_job)?;
    let found: Answer<Vec<WorkflowIx>> = names.iter().map(|name| position(spec, name)).collect();
    match found? {
        none if none.is_empty() => Err(Problem::malformed("workflows: name at least one, or leave it out")),
        some => Ok(CancelScope::Workflows(some)),
    }
}

fn position(spec: &JobSpec, name: &str) -> Answer<WorkflowIx> {
    let found = spec.enumerate().find(|(_, workflow)| workflow.name == name);
    found.map(|(ix, _)| ix).ok_or_else(|| Problem::malformed(format!("the job has no workflow `{name}`")))
}

/// The status after the cancel; `None`: the job has changed in between.
async fn commit(gate: &Gate, view: &View<GateJob>, order: CancelOrder) -> Answer<Option<JobStatus>> {
    let version = view.state.record.as_ref().map_or(0, |record| record.record_version);
    let command = SetJob { cancel: Some(order), ..SetJob::at(version) };
    let entry = gate.entry(view.state.job, Token(0)).with(&command);
    let entry = entry.map_err(|error| Problem::internal(error.to_string()))?;
    let reply = gate.propose(view.state.job, entry).await?;
    match reply.rejection() {
        None => {
            Ok(Some(reply.reply::<JobVersions>(0).map_or(JobStatus::Cancelling, |versions| versions.status)))
        }
        Some(Reason::Conflict { .. }) => Ok(None),
        Some(Reason::AlreadyTerminal { status }) => Err(already(*status)),
        Some(reason) => Err(Problem::conflict(reason.word(), reason.to_string())),
    }
}
