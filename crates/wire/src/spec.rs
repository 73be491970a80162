//! The validated job: every default filled in, every duration in milliseconds. `muster-spec` makes it from a file or
//! a request body and names all faults; nothing else does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::WorkflowIx;

/// Largest submission accepted, bytes of the body as received.
pub const SUBMISSION_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most workflows in a job.
pub const WORKFLOWS_MAX: usize = 1_000;
/// Most shards in a workflow.
pub const SHARDS_MAX: u32 = 10_000;
/// Largest context of a job, bytes of keys and values.
pub const CONTEXT_BYTES_MAX: usize = 256 * 1024;

/// A job as submitted and validated.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobSpec {
    /// 1..128 characters `[A-Za-z0-9._-]`.
    pub name: String,
    /// Whole job, milliseconds.
    pub timeout_ms: u64,
    /// Wanted datacenters in order; empty: the gate chooses.
    pub datacenters: Vec<String>,
    /// How many datacenters run it.
    pub datacenter_count: u32,
    /// How many of them must complete.
    pub require: Require,
    /// What a failed workflow means for the job.
    pub on_workflow_failure: OnWorkflowFailure,
    /// What happens to a shard whose worker vanished.
    pub on_lost: OnLost,
    /// What happens when a datacenter vanished.
    pub on_dc_lost: OnDcLost,
    /// How long a finished job is kept, milliseconds.
    pub retention_ms: u64,
    /// 0..100, higher first.
    pub priority: u8,
    /// For people and filters.
    pub labels: BTreeMap<String, String>,
    /// Initial context values.
    pub context: BTreeMap<String, ContextValue>,
    /// In file order; at least one.
    pub workflows: Vec<WorkflowSpec>,
}

/// A context value: any JSON value, kept as its JSON text.
pub type ContextValue = serde_json_text::JsonText;

/// How many datacenters must complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Require {
    /// Every target.
    All,
    /// One of them.
    Any,
    /// So many.
    Count(u32),
}

/// What a failed workflow means for the job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnWorkflowFailure {
    /// The job fails.
    Fail,
    /// The rest goes on; the job may end partial.
    Continue,
}

/// What happens to a shard whose worker vanished.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// Another attempt, from a budget of its own.
    Retry,
    /// Waits for the worker.
    Wait,
    /// Fails the shard.
    Fail,
}

/// What happens when a datacenter vanished.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDcLost {
    /// Waits for it.
    Wait,
    /// Another datacenter takes over; one run is accepted.
    Failover,
}

/// One step of the job.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WorkflowSpec {
    /// Unique in the job.
    pub name: String,
    /// Program and arguments; may hold `{{placeholders}}`.
    pub command: Vec<String>,
    /// How many shards.
    pub replicas: u32,
    /// Cores per shard.
    pub cores: u32,
    /// Environment; values may hold `{{placeholders}}`.
    pub env: BTreeMap<String, String>,
    /// Per attempt, milliseconds.
    pub timeout_ms: u64,
    /// Per shard, after the first attempt.
    pub retries: u32,
    /// First delay before a retry, milliseconds; doubles.
    pub backoff_ms: u64,
    /// SIGTERM to SIGKILL, milliseconds.
    pub grace_ms: u64,
    /// All shards start together or not at all.
    pub gang: bool,
    /// Worker labels that must match.
    pub constraints: BTreeMap<String, String>,
    /// Workflows that must have completed, by position.
    pub depends_on: Vec<WorkflowIx>,
}

impl JobSpec {
    /// The workflow at a position.
    pub fn workflow(&self, ix: WorkflowIx) -> Option<&WorkflowSpec> {
        self.workflows.get(ix.0 as usize)
    }

    /// All workflows with their positions.
    pub fn enumerate(&self) -> impl Iterator<Item = (WorkflowIx, &WorkflowSpec)> {
        self.workflows.iter().enumerate().map(|(ix, spec)| (WorkflowIx(ix as u32), spec))
    }
}

/// JSON values that travel as text.
pub mod serde_json_text {
    use serde::{Deserialize, Serialize};

    /// Any JSON value as its compact text: ordered and comparable, and independent of the codec around it.
    #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct JsonText(pub String);

    impl JsonText {
        /// The text of a string value.
        pub fn string(text: &str) -> Self {
            Self(serde_json::Value::from(text).to_string())
        }

        /// The text of a JSON value.
        pub fn value(value: &serde_json::Value) -> Self {
            Self(value.to_string())
        }

        /// Back to JSON; malformed text becomes a JSON string.
        pub fn to_json(&self) -> serde_json::Value {
            serde_json::from_str(&self.0).unwrap_or_else(|_| self.0.clone().into())
        }

        /// How it is put into a command line: strings without quotes, all else as JSON.
        pub fn to_plain(&self) -> String {
            match self.to_json() {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            }
        }
    }
}
