//! `GET /v1/jobs/{id}/context`, `GET`, `PUT` and `DELETE /v1/jobs/{id}/context/{key}`: the job's replicated key/values in
//! one of its datacenters.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Path, Query, Request, State};
use axum::http::HeaderMap;
use muster_consensus::Consistency;
use muster_node::http::{Answer, Problem, change_id, context_written, expected_version};
use muster_wire::api::{ContextEntry, ContextView, ContextWritten};
use muster_wire::rpc::manager::{ChangeContext, ContextPage, ReadContext};
use muster_wire::spec::ContextValue;
use serde::Deserialize;
use serde_json::Value;

use super::place;
use super::resolve::read;
use crate::gate::Gate;
use crate::machine::GateJob;

#[derive(Deserialize)]
pub(super) struct Params {
    datacenter: Option<String>,
}

pub(super) async fn list(
    State(gate): State<Gate>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
) -> Answer<Json<ContextView>> {
    let page = page(&gate, &id, &params).await?;
    let values = page.values.iter().map(|(key, value)| (key.clone(), value.to_json())).collect();
    Ok(Json(ContextView { version: page.version, values }))
}

pub(super) async fn get(
    State(gate): State<Gate>,
    Path((id, key)): Path<(String, String)>,
    Query(params): Query<Params>,
) -> Answer<Json<ContextEntry>> {
    let page = page(&gate, &id, &params).await?;
    let unknown = || Problem::not_found("unknown_key", format!("the context has no key `{key}`"));
    let value = page.values.get(&key).ok_or_else(unknown)?.to_json();
    Ok(Json(ContextEntry { key, value, version: page.version }))
}

/// Of the managers while they know the job, then of its result.
async fn page(gate: &Gate, id: &str, params: &Params) -> Answer<ContextPage> {
    let view = read(gate, id, Consistency::Linearizable).await?;
    let dc = place::datacenter(&view.state, params.datacenter.as_deref())?;
    let call = ReadContext { job: view.state.job, forwarded: false };
    match place::ask(gate, (&view.state, &dc), &call).await? {
        Some(page) => Ok(page),
        None => ended(&view.state, &dc),
    }
}

fn ended(job: &GateJob, dc: &str) -> Answer<ContextPage> {
    let result = job.dc(dc).and_then(|dc| dc.result.as_ref()).map(|(_, result)| result);
    let result = result.ok_or_else(Problem::unknown_job)?;
    Ok(ContextPage { version: result.context_version, values: result.context.clone() })
}

pub(super) async fn put(
    State(gate): State<Gate>,
    Path(path): Path<(String, String)>,
    Query(params): Query<Params>,
    request: Request,
) -> Answer<Json<ContextWritten>> {
    let (head, body) = request.into_parts();
    let body = Bytes::from_request(Request::new(body), &()).await;
    let body = body.map_err(|error| Problem::malformed(error.to_string()))?;
    let value: Value = serde_json::from_slice(&body)
        .map_err(|error| Problem::malformed(format!("the body is the value as JSON: {error}")))?;
    let value = (!value.is_null()).then(|| ContextValue::value(&value));
    write(&gate, (path, params), (&head.headers, value)).await
}

pub(super) async fn delete(
    State(gate): State<Gate>,
    Path(path): Path<(String, String)>,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Answer<Json<ContextWritten>> {
    write(&gate, (path, params), (&headers, None)).await
}

async fn write(
    gate: &Gate,
    ((id, key), params): ((String, String), Params),
    (headers, value): (&HeaderMap, Option<ContextValue>),
) -> Answer<Json<ContextWritten>> {
    let view = read(gate, &id, Consistency::Linearizable).await?;
    let dc = place::datacenter(&view.state, params.datacenter.as_deref())?;
    let call = ChangeContext {
        job: view.state.job,
        request: change_id(headers, &gate.clock),
        expected_version: expected_version(headers)?,
        updates: BTreeMap::from([(key.clone(), value)]),
        forwarded: false,
    };
    let change = place::ask(gate, (&view.state, &dc), &call).await?;
    let over = || {
        Problem::conflict("already_terminal", "the job has ended there: its context does not change any more")
    };
    context_written(change.ok_or_else(over)?, &key).map(Json)
}
