//! What came out of a job.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::JobId;
use crate::job::{ExitKind, JobStatus, WorkflowStatus};

/// `GET /v1/jobs/{id}/results`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobResults {
    /// The job.
    pub id: JobId,
    /// Its status; results so far when it is not terminal.
    pub status: JobStatus,
    /// By datacenter.
    pub datacenters: BTreeMap<String, DatacenterResults>,
    /// The final context: of the deciding datacenter with the first name.
    pub context: BTreeMap<String, Value>,
}

/// One datacenter's results.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct DatacenterResults {
    /// By workflow name.
    pub workflows: BTreeMap<String, WorkflowResults>,
}

/// One workflow's results in one datacenter.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WorkflowResults {
    /// How it ended.
    pub status: WorkflowStatus,
    /// Why it failed or was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// By number.
    pub shards: Vec<ShardResultView>,
}

/// One shard's accepted result.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ShardResultView {
    /// The shard.
    pub shard: u32,
    /// The attempt that was accepted.
    pub attempt: u32,
    /// Name of the worker.
    pub worker: String,
    /// How it ended.
    pub kind: ExitKind,
    /// When it exited by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// When it was signalled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The reason, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it put out.
    #[serde(default)]
    pub outputs: BTreeMap<String, Value>,
    /// Start of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// Its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
}
