//! One node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

fn is_false(value: &bool) -> bool {
    !*value
}

/// `GET /v1/node`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NodeView {
    /// Its id, 32 hex digits.
    pub id: String,
    /// Its configured name.
    pub name: String,
    /// Its process start.
    pub generation: u64,
    /// `gate`, `manager` or `worker`.
    pub role: String,
    /// Its datacenter.
    pub datacenter: String,
    /// By use: `http`, `rpc`, `swim`.
    pub addresses: BTreeMap<String, String>,
    /// Of the program.
    pub version: String,
    /// Names of what it can do, and the feature version as `feature:N`.
    pub features: Vec<String>,
    /// Since its start, such as `"90s"`.
    pub uptime: String,
    /// `no`, `running` or `done`.
    #[serde(default = "not_draining")]
    pub draining: String,
    /// The effective configuration, secrets masked.
    pub config: Value,
}

fn not_draining() -> String {
    "no".into()
}

/// `GET /health`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Health {
    /// `ok`, `degraded` or `failing`.
    pub status: String,
    /// 32 hex digits.
    pub node_id: String,
    /// `gate`, `manager` or `worker`.
    pub role: String,
    /// Its datacenter.
    pub datacenter: String,
    /// Of the program.
    pub version: String,
    /// The directory group, and counts of all groups; not on workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raft: Option<RaftHealth>,
    /// On managers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<WorkerHealth>,
    /// Cores, on managers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<CapacityHealth>,
    /// On managers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<SchedulerHealth>,
    /// Shutting down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stopping: bool,
}

/// The `raft` part of [`Health`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RaftHealth {
    /// Role of this node's replica of the directory.
    pub state: String,
    /// Does it lead?
    pub is_leader: bool,
    /// Name of the leader, where known.
    pub leader: Option<String>,
    /// Its term.
    pub term: u64,
    /// Of all groups on this node.
    pub groups: GroupCounts,
}

/// How many groups a node holds, by state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct GroupCounts {
    /// All.
    pub total: u64,
    /// With heartbeats.
    pub awake: u64,
    /// In memory, without heartbeats.
    pub asleep: u64,
    /// On disk only.
    pub evicted: u64,
    /// Led by this node.
    pub leading: u64,
}

/// The `workers` part of [`Health`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct WorkerHealth {
    /// All known.
    pub total: u32,
    /// Taking work.
    pub active: u32,
    /// Suspected dead.
    pub suspect: u32,
    /// Dead.
    pub dead: u32,
}

/// The `capacity` part of [`Health`]: cores.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CapacityHealth {
    /// All.
    pub total: u32,
    /// In use.
    pub used: u32,
    /// Free.
    pub available: u32,
}

/// The `scheduler` part of [`Health`]: since the process started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SchedulerHealth {
    /// Shards started.
    pub dispatched: u64,
    /// Shards that no worker would start.
    pub dispatch_failed: u64,
}
