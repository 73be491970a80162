//! `POST /v1/jobs/{id}/cancel`: for a job of a datacenter without gates. A job that a gate leads is cancelled there.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use muster_consensus::{Consistency, ProposeError};
use muster_node::facts::resolve;
use muster_node::http::{Answer, Problem};
use muster_wire::Token;
use muster_wire::api::{CancelRequest, Cancelled};
use muster_wire::job::{CancelOrder, CancelScope, JobStatus};
use muster_wire::rpc::manager::{CancelJob, CancelReply};
use muster_wire::spec::JobSpec;

use super::explain::position;
use super::jobs::READ_WITHIN;
use crate::machine::{JobRecord, cut};
use crate::service::cancel;
use crate::settle::STOP_DEADLINE_MS;
use crate::shared::Shared;

/// Longest reason that is kept, bytes.
const REASON_BYTES_MAX: usize = 1_024;

pub(super) async fn cancel(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer<(StatusCode, Json<Cancelled>)> {
    let request = parse(&body)?;
    let job = resolve(&shared.coordinator.directory(), &id)?;
    let view = shared.coordinator.read(job, Consistency::Linearizable, READ_WITHIN).await?;
    let record = view.state.record().ok_or_else(Problem::unknown_job)?;
    ensure_own(record)?;
    let order = order(&shared, record.spec(), &request)?;
    let call = CancelJob { job, gate_token: Token(0), order, forwarded: false };
    match cancel::cancel(shared.clone(), call).await.map_err(ProposeError::from)? {
        CancelReply::AlreadyTerminal { status } => Err(already(status)),
        CancelReply::Confirmed { .. } | CancelReply::Cancelling => {
            Ok((StatusCode::ACCEPTED, Json(Cancelled { status: JobStatus::Cancelling })))
        }
    }
}

fn parse(body: &Bytes) -> Answer<CancelRequest> {
    match body.is_empty() {
        true => Ok(CancelRequest::default()),
        false => serde_json::from_slice(body).map_err(|error| Problem::malformed(error.to_string())),
    }
}

fn ensure_own(record: &JobRecord) -> Answer<()> {
    match record.gate() {
        Some(gate) => {
            let detail = format!("the gate {} leads this job: cancel it there", gate.leader.name);
            Err(Problem::conflict("led_by_gate", detail))
        }
        None if record.status().is_terminal() => Err(already(record.status())),
        None => Ok(()),
    }
}

fn already(status: JobStatus) -> Problem {
    Problem::conflict("already_terminal", format!("the job is {status} already")).with_job_status(status)
}

fn order(shared: &Shared, spec: &JobSpec, request: &CancelRequest) -> Answer<CancelOrder> {
    let grace = request.grace.as_deref().map(muster_spec::parse_duration).transpose();
    Ok(CancelOrder {
        scope: scope(spec, request)?,
        reason: cut(&request.reason, REASON_BYTES_MAX),
        requester: "api".into(),
        grace_ms: grace.map_err(|why| Problem::malformed(format!("grace: {why}")))?,
        deadline_ms: shared.clock.unix_ms().saturating_add(STOP_DEADLINE_MS),
    })
}

fn scope(spec: &JobSpec, request: &CancelRequest) -> Answer<CancelScope> {
    let Some(names) = &request.workflows else { return Ok(CancelScope::Job) };
    let positions: Answer<Vec<_>> = names.iter().map(|name| position(spec, name)).collect();
    Ok(CancelScope::Workflows(positions?))
}
