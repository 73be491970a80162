//! Errors.

use serde::{Deserialize, Serialize};

use crate::job::JobStatus;

/// The header in which a client says which version of the API it speaks.
pub const API_HEADER: &str = "muster-api";
/// The version of the API of this build; a node serves no other.
pub const API_VERSION: u32 = 1;
/// Content type of [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Header of a submission that names it for repeats.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Header of an answer that was given before.
pub const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";
/// Longest idempotency key, bytes.
pub const KEY_BYTES_MAX: usize = 255;
/// Most items that one answer of a list holds.
pub const PAGE_MAX: usize = 500;

/// Every error's body (RFC 9457).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// `about:blank#<code>`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The status' own words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// One sentence, with what to do next.
    #[serde(default)]
    pub detail: String,
    /// A stable word such as `unknown_job`.
    pub code: String,
    /// Worth asking again, after `Retry-After` where given.
    #[serde(default)]
    pub retryable: bool,
    /// All faults of a refused document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldFault>,
    /// Name of the node to ask instead, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The job's status, where that is the reason (`already_terminal`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_status: Option<JobStatus>,
}

/// One fault of a submitted document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FieldFault {
    /// Such as `workflows[1].depends_on[0]`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// From 1, where the document has lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// From 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}
