//! One job.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::JobId;
use crate::job::{JobStatus, ShardCounts, WorkflowStatus};

/// `GET /v1/jobs/{id}`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobView {
    /// The job.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: JobStatus,
    /// Why it is so, and which datacenters decided it once it is terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// Rises by one with each visible change.
    pub version: u64,
    /// The fencing token of its leadership at this tier.
    pub token: u64,
    /// Acceptance.
    pub created_at: String,
    /// First shard started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// End.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// Name of the node that acts for the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Where it is to run.
    pub target_datacenters: Vec<String>,
    /// By datacenter.
    pub datacenters: BTreeMap<String, DatacenterPart>,
    /// In file order, over all datacenters.
    pub workflows: Vec<WorkflowView>,
    /// 0..1 over all shards.
    pub progress: f64,
    /// What went wrong, newest last.
    #[serde(default)]
    pub errors: Vec<String>,
    /// For people and filters.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// A local answer (`consistency=stale`): time since this node heard from the leader, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// At managers: who leads the job in other datacenters, as far as its gate has told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub siblings: BTreeMap<String, String>,
}

/// What decided a terminal status.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Resolution {
    /// One sentence.
    pub reason: String,
    /// The datacenters that decided it.
    #[serde(default)]
    pub datacenters: Vec<String>,
}

/// A job's part in one datacenter.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DatacenterPart {
    /// Status there; `submitted` until it has answered.
    pub status: JobStatus,
    /// Name of the manager that leads the job there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Shards accepted.
    pub completed: u32,
    /// Shards failed for good.
    pub failed: u32,
    /// 0..1 over its shards.
    pub progress: f64,
    /// Why it ended so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One workflow of a [`JobView`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WorkflowView {
    /// Its name.
    pub name: String,
    /// Its status; of several datacenters, the one least far.
    pub status: WorkflowStatus,
    /// Its shards, summed over datacenters.
    pub shards: ShardCounts,
    /// Attempts made so far.
    pub attempts: u32,
    /// 0..1 over its shards.
    #[serde(default)]
    pub progress: f64,
    /// The last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// First assignment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// End.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// Where it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datacenters: Vec<String>,
}

/// `GET /v1/jobs/{id}/explain`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// The job.
    pub id: JobId,
    /// Its status.
    pub status: JobStatus,
    /// What it waits for; empty when it waits for nothing.
    pub waits: Vec<Wait>,
}

/// One thing that a job waits for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wait {
    /// Who waits: `job`, a datacenter, or a workflow.
    pub subject: String,
    /// A stable word: `leader`, `datacenter`, `cores`, `constraints`, `dependency`, `retry`, `cancel`, `running`.
    pub cause: String,
    /// One sentence.
    pub detail: String,
}
