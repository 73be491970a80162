//! Errors of the HTTP API: RFC 9457 documents.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_consensus::ProposeError;
use muster_wire::api::{self, FieldFault, PROBLEM_JSON};
use muster_wire::job::JobStatus;

/// What a handler answers.
pub type Answer<T> = Result<T, Problem>;

/// One error of the HTTP API. Boxed, so that a `Result` with it stays small.
#[derive(Clone, PartialEq, Debug)]
pub struct Problem(Box<Parts>);

#[derive(Clone, PartialEq, Debug)]
struct Parts {
    document: api::Problem,
    retry_after: Option<Duration>,
}

impl Problem {
    /// An error with its status, stable word, and one sentence with what to do next. 429, 503 and 504 are marked as
    /// worth asking again.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let retryable =
            [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        let document = api::Problem {
            kind: format!("about:blank#{code}"),
            title: status.canonical_reason().unwrap_or("error").into(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.into(),
            retryable: retryable.contains(&status),
            errors: Vec::new(),
            leader: None,
            job_status: None,
        };
        Self(Box::new(Parts { document, retry_after: None }))
    }

    /// 400 `malformed`.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// 404 with a code such as `unknown_job`.
    pub fn not_found(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 404 `unknown_job`.
    pub fn unknown_job() -> Self {
        Self::not_found("unknown_job", "no such job; it may have been purged after its retention")
    }

    /// 409 with a code such as `conflict`.
    pub fn conflict(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422 `invalid_spec` with every fault.
    pub fn invalid(errors: Vec<FieldFault>) -> Self {
        let detail = format!("{} fault(s) in the document; nothing was submitted", errors.len());
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_spec", detail).with_errors(errors)
    }

    /// 429 `busy`.
    pub fn busy(retry_after: Duration) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "busy",
            "too much is under way; nothing was changed, ask again later",
        )
        .retry_after(retry_after)
    }

    /// 503 with a code such as `no_quorum`, `no_leader`, `no_datacenter`.
    pub fn unavailable(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(Duration::from_secs(1))
    }

    /// 503 `starting`.
    pub fn starting() -> Self {
        Self::unavailable("starting", "this node is not a member of its cluster yet")
    }

    /// 500 `internal`.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// Adds the faults of a refused document.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldFault>) -> Self {
        self.0.document.errors = errors;
        self
    }

    /// Names the node to ask instead.
    #[must_use]
    pub fn with_leader(mut self, leader: Option<String>) -> Self {
        self.0.document.leader = leader;
        self
    }

    /// Adds the job's status, where that is the reason.
    #[must_use]
    pub fn with_job_status(mut self, status: JobStatus) -> Self {
        self.0.document.job_status = Some(status);
        self
    }

    /// Says when to ask again (`Retry-After`, whole seconds, rounded up); marks it as worth asking again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.document.retryable = true;
        self.0.retry_after = Some(after);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.document.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The stable word.
    pub fn code(&self) -> &str {
        &self.0.document.code
    }

    /// The document.
    pub fn document(&self) -> &api::Problem {
        &self.0.document
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.0.document).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(after) = self.0.retry_after {
            let seconds = after.as_millis().div_ceil(1000).max(1) as u64;
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<ProposeError> for Problem {
    fn from(error: ProposeError) -> Self {
        let text = error.to_string();
        match error {
            ProposeError::NotLeader { leader, .. } => {
                Self::unavailable("no_leader", text).with_leader(leader.map(|leader| leader.name))
            }
            ProposeError::Busy { retry_after_ms } => Self::busy(Duration::from_millis(retry_after_ms)),
            ProposeError::Unknown => Self::unavailable(
                "no_quorum",
                "the outcome is not known; repeat with the same idempotency key",
            ),
            ProposeError::Gone { status } => Self::not_found("unknown_job", text).with_job_status(status),
            ProposeError::UnknownJob => Self::unknown_job(),
            ProposeError::NotServing => Self::unavailable("no_leader", text),
            ProposeError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text),
            ProposeError::Fatal(_) => Self::internal(text),
            ProposeError::Timeout => Self::unavailable("no_quorum", text),
        }
    }
}
