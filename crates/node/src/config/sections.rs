//! The sections of the configuration, as values that are fit for use.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use muster_consensus::{InitialMember, Profile};

use super::reader::Reader;
use super::value::{ByteSize, HostPort};
use crate::http::AccessToken;

/// `[node]`
#[derive(Clone, Debug)]
pub struct NodeSection {
    /// Unique in its cluster.
    pub name: String,
    /// Where everything of this node is kept.
    pub data_dir: PathBuf,
    /// The installation's name, the same everywhere.
    pub cluster: String,
    /// The datacenter of this node.
    pub datacenter: String,
}

/// `[listen]`
#[derive(Clone, Copy, Debug)]
pub struct ListenSection {
    /// The HTTP API.
    pub http: SocketAddr,
    /// Links from other nodes.
    pub rpc: SocketAddr,
    /// The failure detector (UDP).
    pub swim: SocketAddr,
}

/// `[advertise]`: `host:port` for others where it differs from `[listen]`.
#[derive(Clone, Debug, Default)]
pub struct AdvertiseSection {
    /// The HTTP API.
    pub http: Option<String>,
    /// Links from other nodes.
    pub rpc: Option<String>,
    /// The failure detector.
    pub swim: Option<String>,
}

/// `[cluster]`
#[derive(Clone, Debug)]
pub struct ClusterSection {
    /// The members that found the cluster; afterwards only addresses to try.
    pub initial_members: Vec<InitialMember>,
    /// `host:port` of swim listeners to join through.
    pub join: Vec<String>,
    /// Replicas of a job's group.
    pub replication: u32,
    /// A member dead for longer is replaced in its groups.
    pub replace_after: Duration,
}

/// `[gate]`
#[derive(Clone, Debug)]
pub struct GateSection {
    /// Managers' rpc addresses by datacenter.
    pub datacenters: BTreeMap<String, Vec<String>>,
    /// How long a datacenter holds a job without renewal.
    pub lease: Duration,
    /// A datacenter that does not answer for longer is lost.
    pub dc_lost_timeout: Duration,
    /// A webhook to which nothing could be delivered for so long is given up.
    pub callback_timeout: Duration,
}

/// `[raft]`
#[derive(Clone, Copy, Debug)]
pub struct RaftSection {
    /// The times.
    pub profile: Profile,
    /// Log entries between two snapshots of a group.
    pub snapshot_entries: u64,
}

/// `[groups]`
#[derive(Clone, Copy, Debug)]
pub struct GroupsSection {
    /// Groups that this node may hold.
    pub max: u32,
    /// Groups that may be awake at the same time.
    pub awake_max: usize,
    /// Groups in memory above which sleepers leave it.
    pub resident_max: usize,
    /// An idle group falls asleep after this.
    pub sleep_after: Duration,
    /// A sleeping group leaves memory after this.
    pub evict_after: Duration,
    /// A registered job without a submission is void after this.
    pub register_timeout: Duration,
    /// Finished jobs are remembered for this long.
    pub tombstone_keep: Duration,
}

/// `[wal]`
#[derive(Clone, Copy, Debug)]
pub struct WalSection {
    /// Size of one file, bytes.
    pub segment_bytes: u64,
    /// Size above which old files are rewritten, bytes.
    pub budget_bytes: u64,
}

/// `[worker]`
#[derive(Clone, Debug)]
pub struct WorkerSection {
    /// Cores offered to shards.
    pub cores: u32,
    /// What constraints match against.
    pub labels: BTreeMap<String, String>,
    /// Shards stop when no manager was heard for this long.
    pub orphan_grace: Duration,
    /// Where shards' logs are kept; `data_dir/logs` if not given.
    pub log_dir: Option<PathBuf>,
}

/// `[security]`
#[derive(Clone, Debug, Default)]
pub struct SecuritySection {
    /// Listens on other addresses than loopback without encryption.
    pub insecure: bool,
    /// HTTP bearer tokens; without any, everybody may do everything.
    pub tokens: Vec<AccessToken>,
    /// Seals what gates keep secret in their jobs; the same at every gate.
    pub seal_key: Option<String>,
    /// The keys that membership packets are sealed with; read again when it changes.
    pub swim_keys: Option<PathBuf>,
}

/// `[limits]`
#[derive(Clone, Copy, Debug)]
pub struct LimitsSection {
    /// Longest HTTP request body.
    pub body_bytes: usize,
    /// Time until an HTTP answer begins.
    pub request_timeout: Duration,
    /// HTTP connections at the same time.
    pub connections: usize,
    /// Submissions of one client per window; 0: no limit.
    pub submissions: u32,
    /// See `submissions`.
    pub submissions_window: Duration,
    /// Proposals under way in one group.
    pub in_flight_per_group: usize,
    /// Proposals under way on this node.
    pub in_flight_per_node: usize,
    /// Calls under way to one node.
    pub calls_per_peer: usize,
    /// Calls served at the same time.
    pub calls_served: usize,
}

/// `[telemetry]`
#[derive(Clone, Debug)]
pub struct TelemetrySection {
    /// Filter as `tracing` reads it.
    pub log: String,
    /// How lines look.
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const MINUTE: Duration = Duration::from_secs(60);

impl NodeSection {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            name: reader.or("node", "name", String::new()),
            data_dir: reader.or("node", "data_dir", PathBuf::from("/var/lib/muster")),
            cluster: reader.or("node", "cluster", "muster".into()),
            datacenter: reader.or("node", "datacenter", "dc1".into()),
        }
    }
}

impl ListenSection {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut at = |name, port| reader.or("listen", name, SocketAddr::new(LOOPBACK, port));
        Self { http: at("http", 7400), rpc: at("rpc", 7401), swim: at("swim", 7402) }
    }

    /// The addresses by use.
    pub const fn all(&self) -> [(&'static str, SocketAddr); 3] {
        [("http", self.http), ("rpc", self.rpc), ("swim", self.swim)]
    }
}

impl AdvertiseSection {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut at = |name| reader.get("advertise", name).map(|HostPort(text)| text);
        Self { http: at("http"), rpc: at("rpc"), swim: at("swim") }
    }

    /// The addresses by use.
    pub fn all(&self) -> [(&'static str, Option<&str>); 3] {
        [("http", self.http.as_deref()), ("rpc", self.rpc.as_deref()), ("swim", self.swim.as_deref())]
    }
}

impl ClusterSection {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let join: Vec<HostPort> = reader.or("cluster", "join", Vec::new());
        Self {
            initial_members: reader.or("cluster", "initial_members", Vec::new()),
            join: join.into_iter().map(|HostPort(text)| text).collect(),
            replication: reader.or("cluster", "replication", 3),
            replace_after: reader.or("cluster", "replace_after", 2 * MINUTE),
        }
    }
}

impl GateSection {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let datacenters: BTreeMap<String, Vec<HostPort>> = reader.or("gate", "datacenters", BTreeMap::new());
        let plain =
            |(name, addrs): (String, Vec<HostPort>)| (name, addrs.into_iter().map(|addr| addr.0).collect());
        Self {
            datacenters: datacenters.into_iter().map(plain).collect(),
            lease: reader.or("gate", "lease", MINUTE / 2),
            dc_lost_timeout: reader.or("gate", "dc_lost_timeout", MINUTE / 2),
            callback_timeout: reader.or("gate", "callback_timeout", 60 * MINUTE),
        }
    }
}

impl RaftSection {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            profile: reader.or("raft", "profile", Profile::Lan),
            snapshot_entries: reader.or("raft", "snapshot_entries", 5000),
        }
    }
}

/// Groups with heartbeats that one core carries beside other work.
const AWAKE_PER_CORE: usize = 300;
/// A small machine may have so many awake.
const AWAKE_LEAST: usize = 1000;
/// A quarter of the memory is for groups, which take up to so much each.
const RESIDENT_BYTES: u64 = 512 * 1024;
const RESIDENT_LEAST: u64 = 1000;
const MEMORY_SHARE: u64 = 4;
/// Where the machine does not tell its memory.
const MEMORY_BYTES: u64 = 4 << 30;

fn awake_max() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (cores * AWAKE_PER_CORE).max(AWAKE_LEAST)
}

fn resident_max() -> usize {
    let resident = (memory_bytes() / MEMORY_SHARE / RESIDENT_BYTES).max(RESIDENT_LEAST);
    usize::try_from(resident).unwrap_or(usize::MAX)
}

fn memory_bytes() -> u64 {
    let told = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or(MEMORY_BYTES, |kib| kib * 1024)
}

impl GroupsSection {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            max: reader.or("groups", "max", 10_000),
            awake_max: reader.or("groups", "awake_max", awake_max()),
            resident_max: reader.or("groups", "resident_max", resident_max()),
            sleep_after: reader.or("groups", "sleep_after", Duration::from_secs(10)),
            evict_after: reader.or("groups", "evict_after", MINUTE * 5),
            register_timeout: reader.or("groups", "register_timeout", MINUTE),
            tombstone_keep: reader.or("groups", "tombstone_keep", 24 * 60 * MINUTE),
        }
    }
}

impl WalSection {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            segment_bytes: reader.or("wal", "segment", ByteSize(64 << 20)).0,
            budget_bytes: reader.or("wal", "budget", ByteSize(1 << 30)).0,
        }
    }
}

impl WorkerSection {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        Self {
            cores: reader.or("worker", "cores", cores),
            labels: reader.or("worker", "labels", BTreeMap::new()),
            orphan_grace: reader.or("worker", "orphan_grace", MINUTE),
            log_dir: reader.get("worker", "log_dir"),
        }
    }
}

impl SecuritySection {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            insecure: reader.or("security", "insecure", false),
            tokens: reader.or("security", "tokens", Vec::new()),
            seal_key: reader.get("security", "seal_key"),
            swim_keys: reader.get("security", "swim_keys"),
        }
    }
}

impl LimitsSection {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            body_bytes: reader.or("limits", "body", ByteSize(5 << 20)).0 as usize,
            request_timeout: reader.or("limits", "request_timeout", Duration::from_secs(65)),
            connections: reader.or("limits", "connections", 4096),
            submissions: reader.or("limits", "submissions", 50),
            submissions_window: reader.or("limits", "submissions_window", Duration::from_secs(10)),
            in_flight_per_group: reader.or("limits", "in_flight_per_group", 256),
            in_flight_per_node: reader.or("limits", "in_flight_per_node", 8192),
            calls_per_peer: reader.or("limits", "calls_per_peer", 1024),
            calls_served: reader.or("limits", "calls_served", 8192),
        }
    }
}

impl TelemetrySection {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            log: reader.or("telemetry", "log", "info".into()),
            log_format: reader.or("telemetry", "log_format", LogFormat::Text),
        }
    }
}
