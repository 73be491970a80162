//! `POST /v1/jobs`: for a datacenter that is used without gates.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_consensus::ProposeError;
use muster_node::http::{Answer, Problem};
use muster_runtime::random;
use muster_spec::{Fault, Format};
use muster_wire::JobId;
use muster_wire::api::{FieldFault, IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, Submitted};
use muster_wire::job::{Digest, JobStatus};
use muster_wire::spec::{JobSpec, SUBMISSION_BYTES_MAX};
use sha2::{Digest as _, Sha256};

use crate::service::{Direct, Submission, submit_directly};
use crate::shared::Shared;

pub(super) async fn submit(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<Response> {
    let spec = read(&headers, &body)?;
    let key = headers.get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok()).map(str::to_owned);
    let job = JobId::new(shared.clock.unix_ms(), random::bits128());
    let (digest, siblings) = (Digest(Sha256::digest(&body).into()), Vec::new());
    let submission = Submission { job, key, digest, spec, gate: None, siblings };
    match submit_directly(&shared, submission).await {
        Ok(Direct::New(accepted)) => Ok(created(job, version(&accepted))),
        Ok(Direct::Replayed { job, status, version }) => Ok(replayed(job, (status, version))),
        Ok(Direct::OtherBody) => {
            Err(Problem::conflict("conflict", "the idempotency key was used with another body"))
        }
        Err(error) => Err(ProposeError::from(error).into()),
    }
}

fn version(accepted: &crate::service::Accepted) -> u64 {
    accepted.view.state.record().map_or(0, |record| record.version())
}

fn read(headers: &HeaderMap, body: &Bytes) -> Answer<JobSpec> {
    if body.len() > SUBMISSION_BYTES_MAX {
        let detail = format!("a submission has at most {SUBMISSION_BYTES_MAX} bytes");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail));
    }
    let kind =
        headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("application/json");
    let format = Format::of_content_type(kind).ok_or_else(unsupported)?;
    let text = std::str::from_utf8(body).map_err(|_| Problem::malformed("the body is not UTF-8"))?;
    muster_spec::parse(text, format)
        .map_err(|faults| Problem::invalid(faults.into_iter().map(fault).collect()))
}

fn unsupported() -> Problem {
    let detail = "send application/json, application/toml or application/yaml";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
}

fn fault(fault: Fault) -> FieldFault {
    FieldFault { path: fault.path, message: fault.message, line: fault.line, column: fault.column }
}

fn created(job: JobId, version: u64) -> Response {
    let url = format!("/v1/jobs/{job}");
    let document = Submitted { id: job, status: JobStatus::Queued, version, url: url.clone() };
    (StatusCode::CREATED, [(header::LOCATION, url)], Json(document)).into_response()
}

fn replayed(job: JobId, (status, version): (JobStatus, u64)) -> Response {
    let document = Submitted { id: job, status, version, url: format!("/v1/jobs/{job}") };
    (StatusCode::OK, [(IDEMPOTENT_REPLAYED, "true")], Json(document)).into_response()
}
