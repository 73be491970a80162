//! `GET /v1/jobs/{id}/context`, `GET`, `PUT` and `DELETE /v1/jobs/{id}/context/{key}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use muster_consensus::ProposeError;
use muster_node::facts::resolve;
use muster_node::http::{Answer, Problem};
use muster_runtime::random;
use muster_wire::api::{ContextEntry, ContextView, ContextWritten, IDEMPOTENCY_KEY};
use muster_wire::rpc::manager::{ChangeContext, ContextChange, ContextPage, ReadContext};
use muster_wire::spec::ContextValue;
use muster_wire::{JobId, RequestId};
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
        request: request(shared, headers),
        expected_version: expected(headers)?,
        updates: BTreeMap::from([(key.clone(), value)]),
        forwarded: false,
    };
    let change = context::change(shared.clone(), call).await.map_err(ProposeError::from)?;
    written(change, &key).map(Json)
}

/// A client that repeats a change names it by a UUID as its idempotency key.
fn request(shared: &Shared, headers: &HeaderMap) -> RequestId {
    let named = headers.get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok()?.parse().ok());
    let named = named.filter(|request| *request != RequestId::INTERNAL);
    named.unwrap_or_else(|| RequestId::new(shared.clock.unix_ms(), random::bits128()))
}

fn expected(headers: &HeaderMap) -> Answer<Option<u64>> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let version = value.to_str().ok().and_then(|text| text.trim().trim_matches('"').parse().ok());
    version.map(Some).ok_or_else(|| Problem::malformed("If-Match: the context's version is expected"))
}

fn written(change: ContextChange, key: &str) -> Answer<ContextWritten> {
    match change {
        ContextChange::Changed { version, previous } => {
            let previous = previous.get(key).cloned().flatten().map(|value| value.to_json());
            Ok(ContextWritten { version, previous })
        }
        ContextChange::Conflict { version } => {
            Err(Problem::conflict("conflict", format!("the context has version {version} now")))
        }
        ContextChange::TooLarge { what } => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("{what} is too large")))
        }
    }
}
