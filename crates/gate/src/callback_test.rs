//! Webhooks as their receivers meet them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use muster_wire::JobId;
use muster_wire::api::{
    CallbackDelivery, CallbackRequest, CallbackState, CallbackView, EventKind, JobView, Page, SIGNATURE,
    Submitted,
};
use muster_wire::job::JobStatus;
use tokio::net::{TcpListener, TcpSocket};

use super::testkit::*;
use crate::webhook::signature;

const JOB: &str = "name = \"told\"\n[[workflows]]\nname = \"prepare\"\ncommand = [\"true\"]\nreplicas = 2\n";
const SECRET: &str = "between the two of us";

/// A receiver that answers as it is told.
#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<CallbackDelivery>>>,
    answer: Arc<AtomicU16>,
}

impl Receiver {
    async fn start(answer: u16) -> (Self, String) {
        let receiver = Self::default();
        receiver.answer.store(answer, Ordering::SeqCst);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let routes = Router::new().route("/hook", post(hook)).with_state(receiver.clone());
        let server = async move { axum::serve(listener, routes).await.unwrap() };
        #[expect(clippy::disallowed_methods, reason = "a receiver that ends with its test")]
        tokio::spawn(server);
        (receiver, url)
    }

    fn sequences(&self) -> Vec<u64> {
        self.got.lock().unwrap().iter().map(|delivery| delivery.sequence).collect()
    }

    fn has_end(&self) -> bool {
        self.got.lock().unwrap().iter().any(|delivery| delivery.event.kind == EventKind::End)
    }
}

async fn hook(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers[SIGNATURE].to_str().unwrap(), signature(SECRET.as_bytes(), &body));
    let answer = StatusCode::from_u16(receiver.answer.load(Ordering::SeqCst)).unwrap();
    if answer.is_success() {
        receiver.got.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    }
    answer
}

async fn submitted(gate: &TestGate, text: &str) -> JobId {
    let reply = gate.submit("k", text).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.json::<Submitted>().id
}

async fn add(gate: &TestGate, job: JobId, request: CallbackRequest) -> Reply {
    let body = serde_json::to_string(&request).unwrap();
    let what = format!("PUT /v1/jobs/{job}/callbacks");
    ask(gate.http, &what, "content-type: application/json\r\n", &body).await
}

fn signed(url: &str) -> CallbackRequest {
    CallbackRequest { url: url.into(), secret: SECRET.into(), ..CallbackRequest::default() }
}

async fn callbacks(gate: &TestGate, job: JobId) -> Vec<CallbackView> {
    get(gate.http, &format!("/v1/jobs/{job}/callbacks")).await.json::<Page<CallbackView>>().items
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_every_event_in_order_signed_and_those_of_its_kinds_only() {
    let dc = FakeDc::start("eu").await;
    let gate = gates_with(1, &[&dc], "[security]\nseal_key = \"a key of the gates\"\n").await.remove(0);
    let (all, all_url) = Receiver::start(204).await;
    let (ends, ends_url) = Receiver::start(200).await;
    let job = submitted(&gate, JOB).await;
    assert_eq!(add(&gate, job, signed(&all_url)).await.status, 200);
    let only_end = CallbackRequest { kinds: vec![EventKind::End], ..signed(&ends_url) };
    assert_eq!(add(&gate, job, only_end).await.status, 200);

    let call = dc.submission(job, 1).await;
    dc.report_running(&call, &gate.rpc).await.unwrap();
    dc.report_end(&call, &gate.rpc).await;
    until(|| async { all.has_end() && ends.has_end() }).await;
    let version = get(gate.http, &format!("/v1/jobs/{job}")).await.json::<JobView>().version;
    assert_eq!(all.sequences(), (1..=version).collect::<Vec<_>>());
    assert_eq!(ends.sequences(), [version]);
    until(|| async { callbacks(&gate, job).await.iter().all(|item| item.state == CallbackState::Done) })
        .await;

    let removed = ask(gate.http, &format!("DELETE /v1/jobs/{job}/callbacks?url={all_url}"), "", "").await;
    assert_eq!(removed.status, 204);
    let again = ask(gate.http, &format!("DELETE /v1/jobs/{job}/callbacks?url={all_url}"), "", "").await;
    assert_eq!((again.status, again.code().as_str()), (404, "unknown_callback"));
    let states: Vec<CallbackState> = callbacks(&gate, job).await.iter().map(|item| item.state).collect();
    assert_eq!(states, [CallbackState::Done, CallbackState::Removed]);
    gate.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_delivering_gate_dies_another_delivers_what_was_not_acknowledged() {
    let dc = FakeDc::start("eu").await;
    let mut gates = gates(3, &[&dc]).await;
    let (receiver, url) = Receiver::start(503).await;
    let first = gates.remove(0);
    let job = submitted(&first, JOB).await;
    assert_eq!(add(&first, job, signed(&url)).await.status, 200);
    until(|| async {
        callbacks(&first, job).await.iter().any(|item| item.tries.is_some_and(|tries| tries >= 2))
    })
    .await;
    first.node.node.scope.shutdown(Duration::from_secs(20)).await.unwrap();
    receiver.answer.store(200, Ordering::SeqCst);

    let call = dc.submission(job, 2).await;
    dc.report_end(&call, &gates[0].rpc).await;
    until(|| async { receiver.has_end() }).await;
    let mut seen = receiver.sequences();
    assert!(seen.is_sorted(), "in order: {seen:?}");
    seen.dedup();
    assert_eq!(seen, (1..=*seen.last().unwrap()).collect::<Vec<_>>(), "without a gap");
    let tokens: Vec<u64> = receiver.got.lock().unwrap().iter().map(|delivery| delivery.token).collect();
    assert!(tokens.iter().all(|token| *token == 2), "under the new gate's token: {tokens:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_never_answers_is_given_up_and_the_job_can_be_purged() {
    let dc = FakeDc::start("eu").await;
    let gate = gates_with(1, &[&dc], "callback_timeout = \"1s\"\n").await.remove(0);
    let (receiver, url) = Receiver::start(500).await;
    let job = submitted(&gate, &format!("retention = \"3s\"\n{JOB}")).await;
    assert_eq!(add(&gate, job, signed(&url)).await.status, 200);
    let call = dc.submission(job, 1).await;
    dc.report_end(&call, &gate.rpc).await;
    gate.until_status(job, JobStatus::Completed).await;
    until(|| async {
        let items = callbacks(&gate, job).await;
        items.iter().any(|item| item.state == CallbackState::GaveUp && item.error.is_some())
    })
    .await;
    assert!(receiver.sequences().is_empty());
    until(|| async { get(gate.http, &format!("/v1/jobs/{job}")).await.status == 404 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_cannot_work_is_refused_as_a_problem() {
    let dc = FakeDc::start("eu").await;
    let gate = gates(1, &[&dc]).await.remove(0);
    let job = submitted(&gate, JOB).await;
    for url in ["ftp://x/y", "http:///nowhere", "no url"] {
        let refused = add(&gate, job, signed(url)).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "malformed"), "{url}");
    }
    for at in 0..16 {
        assert_eq!(add(&gate, job, signed(&format!("http://127.0.0.1:9/{at}"))).await.status, 200);
    }
    let refused = add(&gate, job, signed("http://127.0.0.1:9/more")).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "limit_reached"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_submits_too_often_is_refused_and_others_are_not() {
    let dc = FakeDc::start("eu").await;
    let limits = "[limits]\nsubmissions = 2\nsubmissions_window = \"1h\"\n";
    let gate = gates_with(1, &[&dc], limits).await.remove(0);
    for key in ["a", "b"] {
        assert_eq!(gate.submit(key, JOB).await.status, 201);
    }
    let refused = gate.submit("c", JOB).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    assert!(refused.header("retry-after").is_some());
    assert!(refused.json::<muster_wire::api::Problem>().retryable);

    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0)).unwrap();
    let mut stream = socket.connect(gate.http).await.unwrap();
    let headers = "content-type: application/toml\r\nidempotency-key: d\r\n";
    let other = exchange(&mut stream, "POST /v1/jobs", headers, JOB).await;
    assert_eq!(other.status, 201, "{}", other.body);
}
