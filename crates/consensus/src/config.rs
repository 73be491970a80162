//! What a coordinator is started with, and the times of each profile.

use std::path::PathBuf;
use std::time::Duration;

use muster_wire::Role;

/// How one node takes part in its tier's cluster.
#[derive(Clone, Debug)]
pub struct ConsensusConfig {
    /// Gate or manager.
    pub role: Role,
    /// The datacenter's name.
    pub datacenter: String,
    /// The installation's name: the same everywhere.
    pub cluster_name: String,
    /// Where everything of this node is kept.
    pub data_dir: PathBuf,
    /// This node's configured name, unique in its cluster.
    pub name: String,
    /// The members that found the cluster; afterwards only addresses to try.
    pub initial_members: Vec<InitialMember>,
    /// The times.
    pub profile: Profile,
    /// Replicas of a job's group, odd.
    pub replication: u32,
    /// Groups that this node may hold.
    pub groups_max: u32,
    /// Groups that may be awake at the same time before callers of others are `Busy`.
    pub awake_max: usize,
    /// Groups in memory above which the sleepers of longest leave it.
    pub resident_max: usize,
    /// An idle group falls asleep after this.
    pub sleep_after: Duration,
    /// A sleeping group leaves memory after this.
    pub evict_after: Duration,
    /// Entries applied between two snapshots of a group.
    pub snapshot_entries: u64,
    /// A group without a submission is made void after this.
    pub register_timeout: Duration,
    /// How long the directory remembers finished jobs, at least.
    pub tombstone_keep: Duration,
    /// Size of one segment of the log, bytes.
    pub wal_segment_bytes: u64,
    /// Size of the log above which old segments are rewritten, bytes.
    pub wal_budget_bytes: u64,
    /// Proposals in flight in one group; more are `Busy`.
    pub in_flight_per_group: usize,
    /// Proposals in flight on this node; more are `Busy`.
    pub in_flight_per_node: usize,
}

/// One of the nodes that found the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InitialMember {
    /// Its configured name.
    pub name: String,
    /// `host:port` of its rpc listener.
    pub rpc: String,
    /// `host:port` of its membership listener.
    pub swim: String,
}

/// Named sets of times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Profile {
    /// One network.
    #[default]
    Lan,
    /// Between datacenters.
    Wan,
    /// Tests on one machine.
    Test,
}

impl Profile {
    /// The profile's times.
    pub const fn timing(self) -> Timing {
        match self {
            Self::Lan => Timing::new(300, (1500, 3000)),
            Self::Wan => Timing::new(1000, (5000, 10_000)),
            Self::Test => Timing::new(250, (1500, 3000)),
        }
    }
}

/// Raft's times, in ms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// Time between two heartbeats of a led group.
    pub heartbeat_ms: u64,
    /// Shortest election timeout.
    pub election_min_ms: u64,
    /// Longest election timeout, and how long a leader's lease lasts.
    pub election_max_ms: u64,
}

impl Timing {
    const fn new(heartbeat_ms: u64, (election_min_ms, election_max_ms): (u64, u64)) -> Self {
        Self { heartbeat_ms, election_min_ms, election_max_ms }
    }

    /// How long a leader's lease lasts.
    pub const fn lease(&self) -> Duration {
        Duration::from_millis(self.election_max_ms)
    }

    /// Time between two heartbeats of a led group.
    pub const fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }
}
