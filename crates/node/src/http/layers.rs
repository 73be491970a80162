//! What every request passes: counting, access, deadline, body limit, and errors as problem documents.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use muster_runtime::Clock;
use muster_wire::api::{API_HEADER, API_VERSION};

use super::{Access, Answer, Caller, Problem};

/// Longest text of a plain error that is taken over into a problem document.
const DETAIL_BYTES_MAX: usize = 4096;

/// The figures of [`layered`].
#[derive(Clone, Debug)]
pub struct Layers {
    /// Longest request body, bytes; longer ones are 413.
    pub body_bytes_max: usize,
    /// Time until the head of the answer; then 503. Bodies that stream are not limited.
    pub deadline: Duration,
    /// Who may do what.
    pub access: Access,
    /// The node's clock.
    pub clock: Clock,
}

/// The routes behind every layer. Unknown paths are 404, wrong methods 405, both as problem documents.
pub fn layered(routes: Router, layers: Layers) -> Router {
    let body_bytes_max = layers.body_bytes_max;
    routes
        .fallback(unknown_route)
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(middleware::from_fn_with_state(Arc::new(layers), pass))
}

async fn unknown_route(request: Request) -> Problem {
    Problem::not_found("unknown_route", format!("nothing is at {}", request.uri().path()))
}

async fn pass(State(layers): State<Arc<Layers>>, request: Request, next: Next) -> Response {
    let began = layers.clock.now();
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let response = judge(&layers, request, next).await;
    count((&method, &path), response.status(), layers.clock.now() - began);
    response
}

async fn judge(layers: &Layers, mut request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let who = match layers.access.check(&method, &path, request.headers()) {
        Ok(who) => who.to_owned(),
        Err(problem) => return problem.into_response(),
    };
    if let Err(problem) = check_version(request.headers()) {
        return problem.into_response();
    }
    request.extensions_mut().insert(Caller(who.clone()));
    let response = in_time(layers.deadline, next.run(request)).await;
    audit((&method, &path), &who, response.status());
    as_problem(response).await
}

/// A client that names no version takes whatever it meets.
fn check_version(headers: &HeaderMap) -> Answer<()> {
    let Some(spoken) = headers.get(API_HEADER) else { return Ok(()) };
    let version = spoken.to_str().ok().and_then(|text| text.trim().parse::<u32>().ok());
    match version == Some(API_VERSION) {
        true => Ok(()),
        false => Err(unsupported(version)),
    }
}

fn unsupported(version: Option<u32>) -> Problem {
    let advice = match version {
        Some(version) if version > API_VERSION => "this node is older than the client: upgrade the node",
        Some(_) => "this node is newer than the client: upgrade the client",
        None => "send a number",
    };
    let detail = format!("{API_HEADER}: only version {API_VERSION} is served here; {advice}");
    Problem::new(StatusCode::BAD_REQUEST, "unsupported_version", detail)
}

/// One line for each call that may change something.
fn audit((method, path): (&Method, &str), who: &str, status: StatusCode) {
    if !method.is_safe() {
        tracing::info!(target: "audit", %method, path, who, status = status.as_u16(), "call");
    }
}

async fn in_time(deadline: Duration, answer: impl Future<Output = Response>) -> Response {
    let late = || Problem::unavailable("deadline", "no answer in time; the outcome of a change is not known");
    tokio::time::timeout(deadline, answer).await.unwrap_or_else(|_| late().into_response())
}

/// In a response's extensions: its text stays as it is, whatever its status.
#[derive(Clone, Copy, Debug)]
pub struct KeepText;

/// Turns plain errors, such as those of extractors, into problem documents.
async fn as_problem(response: Response) -> Response {
    if !is_plain_error(&response) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, DETAIL_BYTES_MAX).await.unwrap_or_default();
    let mut answer = problem_of(parts.status, &String::from_utf8_lossy(&text)).into_response();
    if let Some(allow) = parts.headers.get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow.clone());
    }
    answer
}

fn is_plain_error(response: &Response<Body>) -> bool {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    is_error && is_text(response) && response.extensions().get::<KeepText>().is_none()
}

fn is_text(response: &Response<Body>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

fn problem_of(status: StatusCode, text: &str) -> Problem {
    let text = match text.is_empty() {
        true => status.canonical_reason().unwrap_or("error"),
        false => text,
    };
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(status, "method_not_allowed", "this path has no such method")
        }
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(status, "too_large", text),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(status, "unsupported_media_type", text),
        StatusCode::NOT_FOUND => Problem::not_found("not_found", text),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Problem::malformed(text),
        _ => Problem::new(status, "error", text),
    }
}

fn count((method, path): (&Method, &str), status: StatusCode, took: Duration) {
    let method = method_label(method);
    let status = status.as_str().to_owned();
    let labels = [("method", method.to_owned()), ("path", path.to_owned()), ("status", status)];
    metrics::counter!("muster_http_requests_total", &labels).increment(1);
    metrics::histogram!("muster_http_request_seconds", &labels[..2]).record(took.as_secs_f64());
}

/// Clients choose the method's text: only known ones become labels.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}
