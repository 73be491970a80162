//! `POST /v1/jobs`.

use std::net::SocketAddr;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_node::http::{Answer, Problem};
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
}

pub(super) async fn submit(
    State(gate): State<Gate>,
    Query(params): Query<Params>,
    request: Request,
) -> Answer<Response> {
    if let Some(client) = client(&request) {
        check_rate(&gate, &client)?;
    }
    let (head, body) = request.into_parts();
    let body = read_body(body).await?;
    let header = |name| text(&head.headers, name);
    let (content_type, key) = (header(header::CONTENT_TYPE.as_str())?, header(IDEMPOTENCY_KEY)?);
    let admitted = admit(&gate, &Received { body: &body, content_type, key })?;
    if params.dry_run {
        return Ok(Json(dry_run(&admitted)).into_response());
    }
    Ok(answer(crate::submit::submit(&gate, &admitted).await?))
}

/// Who submits, for the rate: the connection's address, else the token.
fn client(request: &Request) -> Option<String> {
    let addr = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string());
    let token = || text(request.headers(), header::AUTHORIZATION.as_str()).ok().flatten().map(str::to_owned);
    addr.or_else(token)
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

fn dry_run(admitted: &Admitted) -> DryRun {
    let workflows = &admitted.spec.workflows;
    DryRun {
        dry_run: true,
        name: admitted.spec.name.clone(),
        workflows: workflows.len() as u32,
        shards: workflows.iter().map(|workflow| workflow.replicas).sum(),
        datacenters: admitted.choice.dcs.iter().take(admitted.choice.wanted as usize).cloned().collect(),
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
