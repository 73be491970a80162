//! Datacenters, members, groups, workers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::JobId;

/// One item of `GET /v1/datacenters`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DatacenterView {
    /// Its name.
    pub id: String,
    /// How it is.
    pub health: DatacenterHealth,
    /// Managers alive.
    pub managers: u32,
    /// Workers alive.
    pub workers: u32,
    /// Their cores.
    pub cores: Cores,
    /// Shards that wait there for free cores, as far as its managers know.
    #[serde(default)]
    pub queued: u32,
    /// Does its managers' directory have a leader?
    pub leader: bool,
    /// Of the last question to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
}

/// How a datacenter is, as a gate sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatacenterHealth {
    /// Takes jobs at once.
    Healthy,
    /// Takes jobs; no core is free.
    Busy,
    /// No leader or no worker: takes jobs later.
    Degraded,
    /// Does not answer.
    Unhealthy,
    /// Not asked yet.
    Initializing,
}

impl DatacenterHealth {
    /// The word in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Busy => "busy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Initializing => "initializing",
        }
    }
}

/// Cores of a datacenter or a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Cores {
    /// All.
    pub total: u32,
    /// In use.
    pub used: u32,
}

/// One item of `GET /v1/members`: the failure detector's view joined with the directory's.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MemberView {
    /// The node's id, 32 hex digits.
    pub id: String,
    /// Its configured name.
    pub name: String,
    /// `gate`, `manager` or `worker`.
    pub role: String,
    /// Its datacenter.
    pub datacenter: String,
    /// `host:port` of its rpc listener.
    pub address: String,
    /// `alive`, `suspect`, `left` or `dead`.
    pub state: String,
    /// `joining`, `active`, `draining` or `removed`; workers have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_state: Option<String>,
    /// Its process start.
    pub generation: u64,
    /// The failure detector's.
    pub incarnation: u64,
    /// When `state` was last changed here, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The smoothed round trip of its direct answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// Its number in its cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// Groups with a replica on it, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<u64>,
}

/// One event of `GET /v1/members/events`: a change of the failure detector's view of the node that was asked.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MemberEvent {
    /// Events of one process of the node are counted; a gap is what a slow reader has missed.
    pub seq: u64,
    /// When it was told, RFC 3339.
    pub at: String,
    /// `member` for each member at the beginning, then `join`, `suspect`, `alive`, `leave`, `dead`, `update`,
    /// `self_health`, `mass_suspicion`, `self_dead` or `lagged`.
    pub event: String,
    /// Whom it is about; absent for what concerns the asked node or all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its configured name, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its process start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The failure detector's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<u64>,
    /// What it is now: `alive`, `suspect`, `left` or `dead`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The rest, for people.
    pub detail: String,
}

/// One item of `GET /v1/groups`, and `GET /v1/groups/{job}`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct GroupView {
    /// The job; absent: the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// Its number in the directory and in the log.
    pub group_id: u64,
    /// Rises with each change of its replica set.
    pub replica_set_index: u64,
    /// `awake`, `asleep`, `evicted`, `loading` or `closing`.
    pub state: String,
    /// `leader`, `follower`, `candidate` or `learner`: of this node's replica.
    pub role: String,
    /// Name of the leading node, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Raft term.
    pub term: u64,
    /// The job's token.
    pub token: u64,
    /// Index of the last log entry.
    pub last_log: Option<u64>,
    /// Index of the last committed entry known here.
    pub committed: Option<u64>,
    /// Index of the last applied entry.
    pub applied: Option<u64>,
    /// Index of the last snapshot.
    pub snapshot: Option<u64>,
    /// Entries up to here are dropped from the log.
    pub purged: Option<u64>,
    /// Its replicas.
    pub replicas: Vec<ReplicaView>,
}

/// One replica of a group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplicaView {
    /// Name of its node.
    pub node: String,
    /// Highest index known to be there; only the leader knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<u64>,
    /// `voter`, `learner`, or what else is known.
    pub state: String,
}

/// One item of `GET /v1/workers` of a manager.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WorkerView {
    /// The node's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `host:port` of its rpc listener.
    pub address: String,
    /// `active`, `suspect`, `draining` or `dead`.
    pub state: String,
    /// Its process start.
    pub generation: u64,
    /// Its cores, as far as this manager knows.
    pub cores: Cores,
    /// What constraints match against.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// One item of `GET /v1/workers` of a gate.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PlacedWorkerView {
    /// Its datacenter; a manager, which lists only its own, does not say.
    #[serde(default)]
    pub datacenter: String,
    /// The worker.
    #[serde(flatten)]
    pub worker: WorkerView,
}
