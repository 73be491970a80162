//! `GET`, `PUT` and `DELETE /v1/jobs/{id}/callbacks`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use muster_consensus::{Consistency, View};
use muster_machine::Reason;
use muster_node::http::{Answer, Problem};
use muster_wire::Token;
use muster_wire::api::{CallbackRemoval, CallbackRequest, CallbackView, EventKind, Page};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::resolve::read;
use crate::gate::Gate;
use crate::machine::GateJob;
use crate::machine::commands::{CallbackChange, RemoveCallback, SetCallback};
use crate::present;
use crate::reconcile::place_of;

/// Longest secret, bytes.
const SECRET_BYTES_MAX: usize = 256;

pub(super) async fn list(
    State(gate): State<Gate>,
    Path(id): Path<String>,
) -> Answer<Json<Page<CallbackView>>> {
    let view = read(&gate, &id, Consistency::Linearizable).await?;
    Ok(Json(Page { items: present::callbacks(&gate, &view.state), next_cursor: None }))
}

pub(super) async fn put(
    State(gate): State<Gate>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer<Json<CallbackView>> {
    let request: CallbackRequest = parse(&body)?;
    check(&request)?;
    let view = read(&gate, &id, Consistency::Linearizable).await?;
    let job = view.state.job;
    let sealed = gate.webhooks.seal.close(request.secret.as_bytes(), &place_of(job, &request.url));
    let secret = sealed.map_err(|_| Problem::internal("the secret could not be sealed"))?;
    let CallbackRequest { url, kinds, from_version, .. } = request;
    let command =
        SetCallback { url: url.clone(), kinds, secret, from_version, change: CallbackChange::Define };
    propose(&gate, &view, &command).await?;
    let view = read(&gate, &job.to_string(), Consistency::Linearizable).await?;
    let found = present::callbacks(&gate, &view.state).into_iter().find(|item| item.url == url);
    found.map(Json).ok_or_else(|| unknown(&url))
}

#[derive(Deserialize)]
pub(super) struct Params {
    url: Option<String>,
}

pub(super) async fn delete(
    State(gate): State<Gate>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
    body: Bytes,
) -> Answer<StatusCode> {
    let url = match params.url {
        Some(url) => url,
        None => parse::<CallbackRemoval>(&body)?.url,
    };
    let view = read(&gate, &id, Consistency::Linearizable).await?;
    let known = view.state.callbacks.get(&url).ok_or_else(|| unknown(&url))?;
    let command = RemoveCallback { url, delivered_through: known.delivered, gave_up: None };
    propose(&gate, &view, &command).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn unknown(url: &str) -> Problem {
    Problem::not_found("unknown_callback", format!("the job has no callback {url}"))
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> Answer<T> {
    serde_json::from_slice(body).map_err(|error| Problem::malformed(error.to_string()))
}

fn check(request: &CallbackRequest) -> Answer<()> {
    let uri: Result<Uri, _> = request.url.parse();
    let has_host = uri.is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    let faults = [
        (!has_host, "url: http://HOST… or https://HOST… is expected"),
        (
            request.kinds.contains(&EventKind::Stats),
            "kinds: `stats` items are in no callback, only in the stream",
        ),
        (request.secret.len() > SECRET_BYTES_MAX, "secret: at most 256 bytes"),
    ];
    match faults.into_iter().find(|(holds, _)| *holds) {
        Some((_, what)) => Err(Problem::malformed(what)),
        None => Ok(()),
    }
}

async fn propose<C>(gate: &Gate, view: &View<GateJob>, command: &C) -> Answer<()>
where
    C: muster_machine::Apply<GateJob>,
{
    let entry = gate.entry(view.state.job, Token(0)).with(command);
    let entry = entry.map_err(|error| Problem::internal(error.to_string()))?;
    match gate.propose(view.state.job, entry).await?.rejection() {
        None => Ok(()),
        Some(Reason::Gone { .. } | Reason::UnknownJob) => Err(Problem::unknown_job()),
        Some(Reason::Malformed { why }) => Err(Problem::malformed(why.clone())),
        Some(reason) => Err(Problem::conflict(reason.word(), reason.to_string())),
    }
}
