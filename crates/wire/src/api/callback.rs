//! Webhooks of a job.

use serde::{Deserialize, Serialize};

use super::{EventKind, JobEvent};
use crate::ids::JobId;

/// Header of a delivery: `sha256=` and the HMAC-SHA256 of the body under the callback's secret, as hex.
pub const SIGNATURE: &str = "muster-signature";

/// Body of `PUT /v1/jobs/{id}/callbacks`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackRequest {
    /// `http://…` or `https://…`; names the callback.
    pub url: String,
    /// Which events are wanted; empty: all.
    #[serde(default)]
    pub kinds: Vec<EventKind>,
    /// Signs the deliveries; empty: they are not signed.
    #[serde(default)]
    pub secret: String,
    /// Events above this version are owed; 0: all that are kept.
    #[serde(default)]
    pub from_version: u64,
}

/// Body of `DELETE /v1/jobs/{id}/callbacks`; `?url=` does as well.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackRemoval {
    /// Which.
    pub url: String,
}

/// One item of `GET /v1/jobs/{id}/callbacks`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallbackView {
    /// Where it is delivered.
    pub url: String,
    /// Which events are wanted; empty: all.
    pub kinds: Vec<EventKind>,
    /// How it is.
    pub state: CallbackState,
    /// Deliveries are signed.
    pub signed: bool,
    /// Version up to which it was delivered.
    pub delivered: u64,
    /// Events that are owed now.
    pub owed: u64,
    /// Tries that failed in a row; known at the gate that delivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
    /// Why the last try failed, or why it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it is given up, unless a delivery succeeds before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives_up_at: Option<String>,
}

/// How a callback is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackState {
    /// Everything so far was delivered.
    Idle,
    /// Events are owed.
    Delivering,
    /// The job has ended and all was delivered.
    Done,
    /// It was given up.
    GaveUp,
    /// Its owner removed it.
    Removed,
}

impl CallbackState {
    /// The word in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Delivering => "delivering",
            Self::Done => "done",
            Self::GaveUp => "gave_up",
            Self::Removed => "removed",
        }
    }
}

/// What a webhook gets: at least once, in the order of `sequence`. A `token` below one seen before is of a gate that
/// does not lead the job any more.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallbackDelivery {
    /// The job.
    pub job: JobId,
    /// The event's version: the same in every repeat, rising.
    pub sequence: u64,
    /// The job's token at the gate that delivers.
    pub token: u64,
    /// What happened.
    pub event: JobEvent,
}
