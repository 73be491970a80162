//! What can go wrong, by what the caller can do about it.

use muster_wire::NodeRef;
use muster_wire::job::JobStatus;
use muster_wire::rpc::RpcError;

use crate::founding::FoundingError;
use crate::identity::IdentityError;

/// How long a caller should wait before it asks a busy node again, ms.
const RETRY_AFTER_MS: u64 = 100;

/// Why a proposal or a read has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProposeError {
    /// Ask the named node; without one an election is under way.
    #[error("not the leader in term {term}{}", leader.as_ref().map(|l| format!(", {} is", l.name)).unwrap_or_default())]
    NotLeader {
        /// Who leads, where known.
        leader: Option<Box<NodeRef>>,
        /// The newest term known here.
        term: u64,
    },
    /// Full; nothing was proposed. Ask again later.
    #[error("busy, retry after {retry_after_ms} ms")]
    Busy {
        /// When to ask again.
        retry_after_ms: u64,
    },
    /// It may or may not be committed: retry with the same request id.
    #[error("the outcome is not known")]
    Unknown,
    /// The job is over and was purged.
    #[error("the job is gone, it ended {status}")]
    Gone {
        /// How it ended.
        status: JobStatus,
    },
    /// No such job is registered.
    #[error("unknown job")]
    UnknownJob,
    /// This node's replica cannot serve the group; others may.
    #[error("this node cannot serve the group")]
    NotServing,
    /// The entry is over its bound; nothing was proposed.
    #[error("the entry is too large")]
    TooLarge,
    /// A broken invariant or a request that can never work.
    #[error("{0}")]
    Fatal(String),
    /// Nothing was proposed within the time given.
    #[error("no leader was found in time; nothing was proposed")]
    Timeout,
}

impl ProposeError {
    /// Full: the usual pause.
    pub const fn busy() -> Self {
        Self::Busy { retry_after_ms: RETRY_AFTER_MS }
    }
}

impl From<ProposeError> for RpcError {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader { leader, .. } => Self::NotLeader { leader },
            ProposeError::Busy { retry_after_ms } => Self::Busy { retry_after_ms },
            ProposeError::Unknown => Self::Unknown { why: "the proposal was not answered".into() },
            ProposeError::Gone { status } => Self::Gone { status },
            ProposeError::UnknownJob => Self::UnknownJob,
            ProposeError::NotServing => Self::NotServing,
            ProposeError::TooLarge => Self::Refused { why: "the entry is too large".into() },
            ProposeError::Fatal(why) => Self::Refused { why },
            ProposeError::Timeout => Self::Busy { retry_after_ms: RETRY_AFTER_MS },
        }
    }
}

impl From<RpcError> for ProposeError {
    fn from(error: RpcError) -> Self {
        match error {
            RpcError::NotLeader { leader } => Self::NotLeader { leader, term: 0 },
            RpcError::Busy { retry_after_ms } => Self::Busy { retry_after_ms },
            RpcError::Unknown { .. } => Self::Unknown,
            RpcError::Gone { status } => Self::Gone { status },
            RpcError::UnknownJob => Self::UnknownJob,
            RpcError::NotServing => Self::NotServing,
            RpcError::Fenced { by } => Self::Fatal(format!("fenced by token {by}")),
            RpcError::Refused { why } | RpcError::Malformed(why) => Self::Fatal(why),
            RpcError::NoMethod(number) => Self::Fatal(format!("method {number} is not served there")),
        }
    }
}

/// Why a coordinator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory's identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No cluster was founded or joined.
    #[error(transparent)]
    Founding(#[from] FoundingError),
    /// The log does not open.
    #[error("the write-ahead log: {0}")]
    Wal(#[from] muster_wal::OpenError),
    /// The directory group does not start.
    #[error("the directory group does not start: {0}")]
    Directory(String),
    /// A configuration that cannot work.
    #[error("configuration: {0}")]
    Config(String),
}
