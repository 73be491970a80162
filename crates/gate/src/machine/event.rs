//! Visible changes of a job, in order: what clients follow.

use muster_wire::api::EventKind;
use muster_wire::job::{JobStatus, WorkflowStatus};
use muster_wire::{Token, WorkflowIx};
use serde::{Deserialize, Serialize};

/// One visible change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The job's version that it made: rises by one.
    pub version: u64,
    /// Replicated time, ms since 1970.
    pub at_ms: u64,
    /// The job's status after it.
    pub status: JobStatus,
    /// What changed.
    pub what: What,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// The status, or a note about it.
    Status {
        /// Why.
        reason: String,
    },
    /// A workflow's status in a datacenter.
    Workflow {
        /// Where.
        dc: String,
        /// Which.
        workflow: WorkflowIx,
        /// What it is now.
        status: WorkflowStatus,
    },
    /// Counters of a datacenter.
    Progress {
        /// Where.
        dc: String,
        /// Shards accepted there.
        completed: u32,
        /// Shards failed for good there.
        failed: u32,
        /// 0..1 over its shards.
        fraction: f64,
    },
    /// A workflow has ended in a datacenter.
    WorkflowResult {
        /// Where.
        dc: String,
        /// Which.
        workflow: WorkflowIx,
        /// How.
        status: WorkflowStatus,
    },
    /// The job has ended in a datacenter.
    DcResult {
        /// Where.
        dc: String,
        /// How.
        status: JobStatus,
    },
    /// Another node acts for the job.
    Leader {
        /// Its name; empty: nobody.
        name: String,
        /// Under this token.
        token: Token,
    },
    /// The last one.
    End,
}

impl What {
    /// The kind that the API shows.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Status { .. } => EventKind::Status,
            Self::Workflow { .. } => EventKind::Workflow,
            Self::Progress { .. } => EventKind::Progress,
            Self::WorkflowResult { .. } | Self::DcResult { .. } => EventKind::Result,
            Self::Leader { .. } => EventKind::Leader,
            Self::End => EventKind::End,
        }
    }
}
