//! `GET /v1/jobs/{id}/context`, `GET`, `PUT` and `DELETE /v1/jobs/{id}/context/{key}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use muster_consensus::ProposeError;
use muster_node::facts::resolve;
use muster_node::http::{Answer, Problem, change_id, context_written, expected_version};
use muster_wire::JobId;
use muster_wire::api::{ContextEntry, ContextView, ContextWritten};
use muster_wire::rpc::manager::{ChangeContext, ContextPage, ReadContext};
use muster_wire::spec::ContextValue;
use serde_json::Value;

use crate::service::context;
use crate::shared::Shared;

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Answer<Json<ContextView>> {
    let page = page(&shared, &id).await?;
    let values = page.values.iter().map(|(key, value)| (key.clone(), value.to_json())).collect();
    Ok(Json(ContextView { version: page.version, values }))
}

pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    Path((id, key)): Path<(String, String)>,
) -> Answer<Json<ContextEntry>> {
    let page = page(&shared, &id).await?;
    let unknown = || Problem::not_found("unknown_key", format!("the context has no key `{key}`"));
    let value = page.values.get(&key).ok_or_else(unknown)?.to_json();
    Ok(Json(ContextEntry { key, value, version: page.version }))
}

async fn page(shared: &Arc<Shared>, id: &str) -> Answer<ContextPage> {
    let job = resolve(&shared.coordinator.directory(), id)?;
    Ok(context::read(shared.clone(), ReadContext { job, forwarded: false })
        .await
        .map_err(ProposeError::from)?)
}

pub(super) async fn put(
    State(shared): State<Arc<Shared>>,
    Path((id, key)): Path<(String, String)>,
    headers: HeaderMap,
    Json(value): Json<Value>,
) -> Answer<Json<ContextWritten>> {
    let job = resolve(&shared.coordinator.directory(), &id)?;
    let value = (!value.is_null()).then(|| ContextValue::value(&value));
    write(&shared, &headers, (job, key, value)).await
}

pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    Path((id, key)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<Json<ContextWritten>> {
    let job = resolve(&shared.coordinator.directory(), &id)?;
    write(&shared, &headers, (job, key, None)).await
}

async fn write(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    (job, key, value): (JobId, String, Option<ContextValue>),
) -> Answer<Json<ContextWritten>> {
    let call = ChangeContext {
        job,
        request: change_id(headers, &shared.clock),
        expected_version: expected_version(headers)?,
        updates: BTreeMap::from([(key.clone(), value)]),
        forwarded: false,
    };
    let change = context::change(shared.clone(), call).await.map_err(ProposeError::from)?;
    context_written(change, &key).map(Json)
}
