//! What a call to the API can come to.

use muster_wire::api::Problem;

/// Why a call failed. Variants say what the caller can do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The server said no; the document says why and whether to ask again.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// No gate could be reached before the deadline.
    #[error("cannot reach {target}: {why}; check --gate and that the node runs")]
    Unreachable {
        /// The addresses tried.
        target: String,
        /// The last failure.
        why: String,
    },
    /// The deadline passed while gates answered `try again`.
    #[error("gave up after {waited_ms} ms: {}", last.detail)]
    TimedOut {
        /// How long was tried.
        waited_ms: u64,
        /// The last answer.
        last: Box<Problem>,
    },
    /// The connection broke after the request was sent: the outcome is not known, and repeating it is not safe.
    #[error("the connection broke before the answer: {0}; whether it was done is not known")]
    Broken(String),
    /// Not an answer of this API.
    #[error("unexpected answer from {target}: {why}; is it a muster node of this version?")]
    Unexpected {
        /// Who answered.
        target: String,
        /// What is wrong.
        why: String,
    },
    /// Not a URL.
    #[error("`{0}` is not a gate URL: write http://HOST:PORT")]
    BadUrl(String),
}

impl ClientError {
    /// The problem document, where the server sent one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) | Self::TimedOut { last: problem, .. } => Some(problem),
            Self::Unreachable { .. } | Self::Broken(_) | Self::Unexpected { .. } | Self::BadUrl(_) => None,
        }
    }
}
