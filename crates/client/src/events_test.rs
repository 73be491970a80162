//! The client against a small real HTTP server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use muster_wire::api::Problem;

use crate::{Client, ClientError, ClientOptions};

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    #[allow(clippy::disallowed_methods, reason = "the test's server ends with its runtime")]
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

fn client(gates: Vec<String>) -> Client {
    Client::new(ClientOptions { gates, token: None, deadline: Duration::from_secs(10) }).unwrap()
}

fn event(version: u64, kind: &str) -> String {
    let data = serde_json::json!({"version": version, "kind": kind, "at": "2026-01-01T00:00:00Z", "status": "running"});
    format!("id: {version}\nevent: {kind}\ndata: {data}\n\n")
}

/// Gives three events, then breaks off; asked again it goes on behind the last id that it was told.
async fn breaking(State(asked): State<Arc<AtomicUsize>>, headers: HeaderMap) -> impl IntoResponse {
    asked.fetch_add(1, Ordering::SeqCst);
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let next = last.unwrap_or(0_u64) + 1;
    let mut body: String = ": hello\n\n".into();
    for version in next..next + 3 {
        body += &event(version, if version == 7 { "end" } else { "progress" });
    }
    ([(header::CONTENT_TYPE, "text/event-stream")], body + "id: 99\nevent: pro")
}

#[tokio::test]
async fn a_broken_stream_goes_on_without_gap_or_repeat() {
    let asked = Arc::new(AtomicUsize::new(0));
    let url = serve(Router::new().route("/v1/jobs/j/events", get(breaking)).with_state(asked.clone())).await;
    let mut events = client(vec![url]).events("j", None, Duration::from_secs(10));
    let mut seen = Vec::new();
    while let Some(event) = events.next().await.unwrap() {
        seen.push(event.version);
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

fn problem(status: StatusCode, code: &str, retryable: bool) -> impl IntoResponse {
    let problem = Problem {
        kind: "about:blank".into(),
        title: String::new(),
        status: status.as_u16(),
        detail: "on purpose".into(),
        code: code.into(),
        retryable,
        errors: Vec::new(),
        leader: None,
        job_status: None,
    };
    (status, Json(problem))
}

#[tokio::test]
async fn a_gate_without_a_leader_is_left_for_the_next_one() {
    let busy = Router::new()
        .route("/v1/node", get(|| async { problem(StatusCode::SERVICE_UNAVAILABLE, "no_leader", true) }));
    let node = serde_json::json!({"id": "0", "name": "g2", "generation": 1, "role": "gate", "datacenter": "", "addresses": {},
        "version": "0", "features": [], "uptime": "1s", "config": {}});
    let good = Router::new().route("/v1/node", get(|| async { Json(node) }));
    let client = client(vec!["http://127.0.0.1:1".into(), serve(busy).await, serve(good).await]);
    assert_eq!(client.node().await.unwrap().name, "g2");
}

#[tokio::test]
async fn a_final_refusal_is_given_back_at_once() {
    let app = Router::new()
        .route("/v1/jobs/x", get(|| async { problem(StatusCode::NOT_FOUND, "unknown_job", false) }));
    let error = client(vec![serve(app).await]).job("x").await.unwrap_err();
    assert!(matches!(error, ClientError::Problem(problem) if problem.code == "unknown_job"));
}
