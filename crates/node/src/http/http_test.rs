use std::net::SocketAddr;
use std::time::Duration;

use axum::routing::{get as on_get, post};
use axum::{Json, Router};
use muster_consensus::ProposeError;
use muster_runtime::{Clock, TaskScope};
use serde::Deserialize;
use tokio::net::TcpListener;

use super::{
    Access, AccessRole, AccessToken, Answer, Layers, PageQuery, Problem, Server, ServerBounds, ServerParts,
    layered,
};
use crate::testkit::{SOON, ask, get, until};

#[derive(Deserialize)]
struct Body {
    _number: u32,
}

fn routes() -> Router {
    Router::new()
        .route("/ok", on_get(|| async { "fine" }))
        .route("/v1/jobs", post(|_: Json<Body>| async { "taken" }))
        .route("/v1/node/drain", post(|| async { "draining" }))
        .route("/busy", on_get(|| async { Problem::busy(Duration::from_millis(1200)) }))
        .route("/slow", on_get(std::future::pending::<()>))
        .route("/lost", on_get(|| async { Answer::<()>::Err(ProposeError::Timeout.into()) }))
}

fn layers() -> Layers {
    let access = Access::default();
    Layers { body_bytes_max: 1000, deadline: Duration::from_secs(60), access, clock: Clock::system() }
}

async fn serve(layers: Layers) -> (SocketAddr, TaskScope) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scope = TaskScope::new();
    let bounds = ServerBounds { stop_grace: Duration::from_millis(50), ..ServerBounds::default() };
    let parts = ServerParts { listener, routes: layered(routes(), layers), bounds, scope: scope.clone() };
    (Server::start(parts).unwrap().addr(), scope)
}

#[tokio::test]
async fn every_error_is_a_problem_document() {
    let (addr, _scope) = serve(layers()).await;
    assert_eq!(get(addr, "/ok").await.body, "fine");
    let json = "content-type: application/json\r\n";
    let long = format!("{{\"_number\": \"{}\"}}", "x".repeat(2000));
    let cases = [
        (get(addr, "/nothing").await, 404, "unknown_route"),
        (ask(addr, "DELETE /ok", "", "").await, 405, "method_not_allowed"),
        (ask(addr, "POST /v1/jobs", json, &long).await, 413, "too_large"),
        (ask(addr, "POST /v1/jobs", json, "{").await, 400, "malformed"),
        (ask(addr, "POST /v1/jobs", json, "{\"_number\": \"x\"}").await, 400, "malformed"),
        (ask(addr, "POST /v1/jobs", "", "{}").await, 415, "unsupported_media_type"),
        (get(addr, "/lost").await, 503, "no_quorum"),
    ];
    for (reply, status, code) in cases {
        assert_eq!((reply.status, reply.problem().code.as_str()), (status, code), "{}", reply.body);
    }
    assert!(ask(addr, "DELETE /ok", "", "").await.header("allow").unwrap().contains("GET"));
}

#[tokio::test]
async fn a_client_of_another_version_is_refused_and_told_who_is_too_old() {
    let (addr, _scope) = serve(layers()).await;
    let of = |version: &'static str| async move {
        ask(addr, "GET /ok", &format!("muster-api: {version}\r\n"), "").await
    };
    assert_eq!(of("1").await.body, "fine");
    for (version, advice) in [("2", "upgrade the node"), ("0", "upgrade the client"), ("x", "send a number")]
    {
        let reply = of(version).await;
        let problem = reply.problem();
        assert_eq!((reply.status, problem.code.as_str()), (400, "unsupported_version"));
        assert!(problem.detail.contains(advice) && !problem.retryable, "{}", problem.detail);
    }
}

#[tokio::test]
async fn a_busy_answer_says_when_to_ask_again() {
    let (addr, _scope) = serve(layers()).await;
    let reply = get(addr, "/busy").await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("2")));
    assert!(reply.problem().retryable);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let (addr, _scope) = serve(Layers { deadline: Duration::from_millis(20), ..layers() }).await;
    let reply = get(addr, "/slow").await;
    assert_eq!((reply.status, reply.problem().code.as_str()), (503, "deadline"));
}

#[tokio::test]
async fn tokens_allow_what_their_role_says() {
    let token = |name: &str, role| AccessToken { name: name.into(), role, token: format!("{name}-secret") };
    let tokens = vec![
        token("v", AccessRole::Viewer),
        token("s", AccessRole::Submitter),
        token("o", AccessRole::Operator),
    ];
    let (addr, _scope) = serve(Layers { access: Access::new(tokens), ..layers() }).await;
    let bearer =
        |name: &str| format!("authorization: Bearer {name}-secret\r\ncontent-type: application/json\r\n");
    let submit = |name: &'static str| async move {
        ask(addr, "POST /v1/jobs", &bearer(name), "{\"_number\":1}").await.status
    };
    let drain =
        |name: &'static str| async move { ask(addr, "POST /v1/node/drain", &bearer(name), "").await.status };
    assert_eq!(get(addr, "/ok").await.status, 401);
    assert_eq!(ask(addr, "GET /ok", &bearer("x"), "").await.status, 401);
    assert_eq!(ask(addr, "GET /ok", &bearer("v"), "").await.status, 200);
    assert_eq!([submit("v").await, submit("s").await, submit("o").await], [403, 200, 200]);
    assert_eq!([drain("v").await, drain("s").await, drain("o").await], [403, 403, 200]);
    assert_eq!(get(addr, "/livez").await.status, 404, "open, but not among these routes");
}

#[tokio::test]
async fn shutdown_ends_connections_that_hang() {
    let (addr, scope) = serve(layers()).await;
    let hanging = get(addr, "/slow");
    tokio::pin!(hanging);
    let running = scope.clone();
    tokio::select! {
        _ = &mut hanging => panic!("answered"),
        () = until(|| async { running.running().iter().any(|(kind, _)| *kind == "http_connection") }) => {}
    }
    scope.shutdown(SOON).await.unwrap();
    assert_eq!(hanging.await.status, 0);
    until(|| async { scope.running().is_empty() }).await;
}

#[test]
fn pages_follow_each_other_without_gap_or_repeat() {
    let all = ["a", "b", "c", "d", "e"];
    let mut query = PageQuery { limit: Some(2), cursor: None };
    let mut seen = Vec::new();
    loop {
        let page = query.page(all, |item| (*item).to_owned()).unwrap();
        seen.extend(page.items);
        let Some(next) = page.next_cursor else { break };
        query.cursor = Some(next);
    }
    assert_eq!(seen, all);
    assert!(PageQuery { limit: Some(501), cursor: None }.limit().is_err());
}
