//! `POST /v1/jobs`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_node::http::{Answer, Caller, Problem};
use muster_wire::api::{DryRun, IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, Submitted};
use muster_wire::spec::SUBMISSION_BYTES_MAX;
use serde::Deserialize;

use crate::admission::{Admitted, Received, admit, check_rate};
use crate::gate::Gate;
use crate::submit::Accepted;

#[derive(Deserialize)]
pub(super) struct Params {
    #[serde(default)]
    dry_run: bool,
    fence_floor: Option<u64>,
}

pub(super) async fn submit(
    State(gate): State<Gate>,
    Query(params): Query<Params>,
    request: Request,
) -> Answer<Response> {
    let _place = gate.submitting.try_acquire().map_err(|_| overloaded())?;
    if let Some(client) = client(&request) {
        check_rate(&gate, &client)?;
    }
    let (head, body) = request.into_parts();
    let body = read_body(body).await?;
    let header = |name| text(&head.headers, name);
    let (content_type, key) = (header(header::CONTENT_TYPE.as_str())?, header(IDEMPOTENCY_KEY)?);
    let admitted =
        admit(&gate, &Received { body: &body, content_type, key, fence_floor: params.fence_floor })?;
    if params.dry_run {
        return Ok(Json(dry_run(&admitted)).into_response());
    }
    let accepted = crate::submit::submit(&gate, &admitted).await?;
    if matches!(accepted, Accepted::New(_)) {
        promise(&gate, &admitted);
    }
    Ok(answer(accepted))
}

/// Who submits, for the rate: the token's name, else the connection's address.
fn client(request: &Request) -> Option<String> {
    let extensions = request.extensions();
    let name = extensions.get::<Caller>().and_then(Caller::name).map(str::to_owned);
    name.or_else(|| extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string()))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Answer<Option<&'a str>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text =
        value.to_str().map_err(|_| Problem::malformed(format!("the header {name} is no plain text")))?;
    Ok(Some(text))
}

async fn read_body(body: Body) -> Answer<Bytes> {
    axum::body::to_bytes(body, SUBMISSION_BYTES_MAX).await.map_err(|_| {
        let detail = format!("a submission has at most {SUBMISSION_BYTES_MAX} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    })
}

fn overloaded() -> Problem {
    metrics::counter!("muster_queue_rejected_total", "queue" => "submitting").increment(1);
    Problem::busy(Duration::from_secs(1))
}

/// The next submissions see what this one takes, before the datacenters tell of it.
fn promise(gate: &Gate, admitted: &Admitted) {
    let cores =
        admitted.spec.workflows.iter().map(|workflow| workflow.cores.saturating_mul(workflow.replicas));
    let most = cores.max().unwrap_or(0);
    admitted.choice.primaries().for_each(|dc| gate.datacenters.promise(dc, most));
}

fn dry_run(admitted: &Admitted) -> DryRun {
    let workflows = &admitted.spec.workflows;
    DryRun {
        dry_run: true,
        name: admitted.spec.name.clone(),
        workflows: workflows.len() as u32,
        shards: workflows.iter().map(|workflow| workflow.replicas).sum(),
        datacenters: admitted.choice.primaries().map(str::to_owned).collect(),
        placements: admitted.choice.placements.clone(),
    }
}

fn answer(accepted: Accepted) -> Response {
    match accepted {
        Accepted::New(submitted) => located(StatusCode::CREATED, submitted),
        Accepted::Replayed(submitted) => {
            let mut response = located(StatusCode::OK, submitted);
            response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
            response
        }
    }
}

fn located(status: StatusCode, submitted: Submitted) -> Response {
    let url = HeaderValue::from_str(&submitted.url);
    let mut response = (status, Json(submitted)).into_response();
    if let Ok(url) = url {
        response.headers_mut().insert(header::LOCATION, url);
    }
    response
}
