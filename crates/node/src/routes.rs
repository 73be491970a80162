//! The routes of every node.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Extension, Json, Router};
use futures_util::stream;
use muster_wire::api::{GroupView, Health, MemberView, NodeView, Page};
use serde::Deserialize;

use crate::facts::{Check, NodeFacts};
use crate::http::{Answer, KeepText, PageQuery, Problem};
use crate::telemetry;

/// A comment is sent when nothing else is.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

type Facts = State<Arc<dyn NodeFacts>>;

/// `/livez`, `/readyz`, `/health`, `/metrics`, `/v1/node`: on every process.
pub fn basic(facts: Arc<dyn NodeFacts>) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/health", get(health))
        .route("/metrics", get(metrics_text))
        .route("/v1/node", get(node))
        .with_state(facts)
}

/// `/v1/members`, `/v1/members/events`, `/v1/groups`, `/v1/groups/{job}`: on gates and managers.
pub fn cluster(facts: Arc<dyn NodeFacts>) -> Router {
    Router::new()
        .route("/v1/members", get(members))
        .route("/v1/members/events", get(member_events))
        .route("/v1/groups", get(groups))
        .route("/v1/groups/{job}", get(group))
        .with_state(facts)
}

/// Stands in for the tier's routes until the node is a member: 503 `starting`, not 404, so that clients ask again.
pub fn starting() -> Router {
    Router::new().route("/v1/{*path}", any(|| async { Problem::starting() }))
}

#[derive(Deserialize)]
struct Verbose {
    verbose: Option<String>,
}

async fn live() -> &'static str {
    "ok\n"
}

async fn ready(State(facts): Facts, Query(query): Query<Verbose>) -> Response {
    let checks = facts.checks();
    let status = match checks.iter().all(|check| check.outcome.is_ok()) {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = match (query.verbose, status) {
        (Some(_), _) => list(&checks),
        (None, StatusCode::OK) => "ok\n".to_owned(),
        (None, _) => "not ready; see /readyz?verbose\n".to_owned(),
    };
    (status, Extension(KeepText), text).into_response()
}

/// One line for each check: `[+] name ok`, `[-] name why`.
fn list(checks: &[Check]) -> String {
    checks.iter().fold(String::new(), |mut text, check| {
        let _ = match &check.outcome {
            Ok(()) => writeln!(text, "[+] {} ok", check.name),
            Err(why) => writeln!(text, "[-] {} {why}", check.name),
        };
        text
    })
}

async fn health(State(facts): Facts) -> Json<Health> {
    Json(facts.health())
}

async fn metrics_text() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::render_metrics())
}

async fn node(State(facts): Facts) -> Json<NodeView> {
    Json(facts.node())
}

async fn members(State(facts): Facts, Query(query): Query<PageQuery>) -> Answer<Json<Page<MemberView>>> {
    query.page(facts.members(), |member| member.id.clone()).map(Json)
}

async fn member_events(State(facts): Facts) -> Response {
    let events = stream::unfold(facts.member_feed(), |mut feed| async {
        let item = feed.next().await?;
        let event = SseEvent::default().event(item.event.clone()).id(item.seq.to_string()).json_data(&item);
        Some((event, feed))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

async fn groups(State(facts): Facts, Query(query): Query<PageQuery>) -> Answer<Json<Page<GroupView>>> {
    query.page(facts.groups()?, group_key).map(Json)
}

/// The directory first, then jobs by their ids.
fn group_key(group: &GroupView) -> String {
    group.job.map_or_else(|| "!".to_owned(), |job| job.to_string())
}

async fn group(State(facts): Facts, Path(job): Path<String>) -> Result<Json<GroupView>, Problem> {
    facts.group(&job).map(Json)
}
