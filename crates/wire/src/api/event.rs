//! What happened to a job.

use serde::{Deserialize, Serialize};

use super::JobView;
use crate::job::{JobStatus, WorkflowStatus};

/// The kinds of [`JobEvent`]: the `event:` line of the stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The job's status changed.
    Status,
    /// A workflow's status changed in a datacenter.
    Workflow,
    /// Counters moved in a datacenter.
    Progress,
    /// A datacenter has ended the job or one of its workflows.
    Result,
    /// Another node acts for the job.
    Leader,
    /// Older events are not kept any more: the current state instead.
    Truncated,
    /// The job has ended; the stream ends after this.
    End,
    /// A statistics window; has no id.
    Stats,
}

impl EventKind {
    /// The word of the `event:` line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Workflow => "workflow",
            Self::Progress => "progress",
            Self::Result => "result",
            Self::Leader => "leader",
            Self::Truncated => "truncated",
            Self::End => "end",
            Self::Stats => "stats",
        }
    }
}

/// One item of `GET /v1/jobs/{id}/events`; its id is `version`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobEvent {
    /// The job's version that this change made; the event's id.
    pub version: u64,
    /// What changed.
    pub kind: EventKind,
    /// When, in replicated time.
    pub at: String,
    /// The job's status after it.
    pub status: JobStatus,
    /// Why, or what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The datacenter concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacenter: Option<String>,
    /// The workflow concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Its status after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_status: Option<WorkflowStatus>,
    /// 0..1 over all shards of the datacenter, on `progress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// Shards accepted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<u32>,
    /// Shards failed for good there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u32>,
    /// Name of the node that acts for the job, on `leader`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The current state, on `truncated` and `end`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Box<JobView>>,
}
