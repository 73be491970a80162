//! What applying a command came to.

use std::fmt;

use muster_wire::job::JobStatus;
use muster_wire::{CodecError, Token};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The result of one command. The reply is the command's own `Reply`, encoded.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It changed the state.
    Applied(#[serde(with = "serde_bytes")] Vec<u8>),
    /// It had been applied before: the reply of then.
    Noop(#[serde(with = "serde_bytes")] Vec<u8>),
    /// It was refused and changed nothing.
    Rejected(Reason),
}

/// Why a command was refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Reason {
    /// The group holds no job yet.
    #[error("unknown job")]
    UnknownJob,
    /// The job was purged.
    #[error("gone, ended {status}")]
    Gone {
        /// How it ended.
        status: JobStatus,
    },
    /// The entry's token is below the job's.
    #[error("fenced by token {by}")]
    Fenced {
        /// The job's token.
        by: Token,
    },
    /// A token beyond known + 2^20.
    #[error("token out of range")]
    TokenOutOfRange,
    /// Unknown tag or undecodable body at a known feature.
    #[error("malformed: {why}")]
    Malformed {
        /// What is wrong.
        why: String,
    },
    /// A field is over its bound.
    #[error("{what} is too large")]
    TooLarge {
        /// Which.
        what: String,
    },
    /// A count is at its bound.
    #[error("limit of {what} reached")]
    LimitReached {
        /// Which.
        what: String,
    },
    /// Other content under the same name, or a compare-and-set that lost.
    #[error("conflict at version {version}")]
    Conflict {
        /// The version, token or count that is there now.
        version: u64,
    },
    /// Older than what is known. Skips only its own command.
    #[error("stale")]
    Stale,
    /// Recorded before with other content. Skips only its own command.
    #[error("already recorded")]
    AlreadyRecorded,
    /// The job had ended before.
    #[error("already {status}")]
    AlreadyTerminal {
        /// How.
        status: JobStatus,
    },
    /// Not allowed in the present status.
    #[error("not allowed: {why}")]
    NotAllowed {
        /// Which status forbids it.
        why: String,
    },
    /// Too early.
    #[error("not yet")]
    NotYet,
    /// A live lease of another holder.
    #[error("held until {until_ms}")]
    Held {
        /// Its end, ms since 1970.
        until_ms: u64,
    },
    /// Capacity; ask again later.
    #[error("busy, retry after {retry_after_ms} ms")]
    Busy {
        /// When.
        retry_after_ms: u64,
    },
    /// A client request older than the answer window.
    #[error("request too old: its answer is not kept any more")]
    TooOld,
    /// An earlier command of the same entry was rejected, so the entry was undone.
    #[error("undone with its entry")]
    Undone,
}

impl Reason {
    /// Skips its own command instead of undoing the whole entry.
    pub const fn skips_only_itself(&self) -> bool {
        matches!(self, Self::Stale | Self::AlreadyRecorded)
    }

    /// The word used as metric label and problem `code`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::UnknownJob => "unknown_job",
            Self::Gone { .. } => "gone",
            Self::Fenced { .. } => "fenced",
            Self::TokenOutOfRange => "token_out_of_range",
            Self::Malformed { .. } => "malformed",
            Self::TooLarge { .. } => "too_large",
            Self::LimitReached { .. } => "limit_reached",
            Self::Conflict { .. } => "conflict",
            Self::Stale => "stale",
            Self::AlreadyRecorded => "already_recorded",
            Self::AlreadyTerminal { .. } => "already_terminal",
            Self::NotAllowed { .. } => "not_allowed",
            Self::NotYet => "not_yet",
            Self::Held { .. } => "held",
            Self::Busy { .. } => "busy",
            Self::TooOld => "too_old",
            Self::Undone => "undone",
        }
    }

    /// A status or relation forbids it.
    pub fn not_allowed(why: impl Into<String>) -> Self {
        Self::NotAllowed { why: why.into() }
    }

    /// Content that no apply accepts.
    pub fn malformed(why: impl fmt::Display) -> Self {
        Self::Malformed { why: why.to_string() }
    }
}

impl Outcome {
    /// Changed, with the command's reply.
    pub fn applied<T: Serialize>(reply: &T) -> Self {
        Self::encoded(Self::Applied, reply)
    }

    /// Was so before, with the command's reply.
    pub fn noop<T: Serialize>(reply: &T) -> Self {
        Self::encoded(Self::Noop, reply)
    }

    /// Changed; nothing to say.
    pub fn done() -> Self {
        Self::applied(&())
    }

    /// Was so before; nothing to say.
    pub fn same() -> Self {
        Self::noop(&())
    }

    fn encoded<T: Serialize>(wrap: fn(Vec<u8>) -> Self, reply: &T) -> Self {
        match muster_wire::encode(reply) {
            Ok(bytes) => wrap(bytes),
            Err(error) => Self::Rejected(Reason::malformed(error)),
        }
    }

    /// Was it refused?
    pub const fn rejection(&self) -> Option<&Reason> {
        match self {
            Self::Rejected(reason) => Some(reason),
            Self::Applied(_) | Self::Noop(_) => None,
        }
    }

    /// `applied`, `noop` or the reason's word: the `outcome` label of `muster_commands_applied_total`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Applied(_) => "applied",
            Self::Noop(_) => "noop",
            Self::Rejected(reason) => reason.word(),
        }
    }

    /// The command's reply, or why it was refused.
    pub fn reply<T: DeserializeOwned>(&self) -> Result<T, Reason> {
        let decoded: Result<T, CodecError> = match self {
            Self::Applied(bytes) | Self::Noop(bytes) => muster_wire::decode(bytes),
            Self::Rejected(reason) => return Err(reason.clone()),
        };
        decoded.map_err(Reason::malformed)
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied(_) => f.write_str("Applied"),
            Self::Noop(_) => f.write_str("Noop"),
            Self::Rejected(reason) => write!(f, "Rejected({reason:?})"),
        }
    }
}

impl From<Reason> for Outcome {
    fn from(reason: Reason) -> Self {
        Self::Rejected(reason)
    }
}
