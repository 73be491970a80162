//! What a detector is started with, and the figures of each profile.

use std::net::SocketAddr;
use std::time::Duration;

use muster_wire::{Generation, NodeId};

use crate::model::{META_BYTES_MAX, Meta};

/// How one node takes part.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's own id.
    pub id: NodeId,
    /// This start of its process.
    pub generation: Generation,
    /// The cluster's name; packets of other clusters are dropped.
    pub cluster: String,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `host:port` of nodes to join through; names are resolved at each try. This node may be among them.
    pub seeds: Vec<String>,
    /// What to tell the others. An empty `swim` or its port 0 is filled in from the bound socket.
    pub meta: Meta,
    /// The figures.
    pub profile: Profile,
}

/// Named sets of figures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Profile {
    /// Managers and gates on one network: probes every 500 ms, answers within 200 ms.
    Lan,
    /// Workers: probes every second, answers within 500 ms.
    #[default]
    Default,
    /// Between datacenters: probes every second, answers within 500 ms, a longer suspicion.
    Wan,
    /// Tests on one machine.
    Test,
}

impl Profile {
    /// The profile's figures.
    pub const fn tuning(self) -> Tuning {
        match self {
            Self::Lan => Tuning::LAN,
            Self::Default => Tuning::DEFAULT,
            Self::Wan => Tuning::WAN,
            Self::Test => Tuning::TEST,
        }
    }
}

/// The figures of the protocol.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tuning {
    /// One member is probed in each interval.
    pub probe_interval: Duration,
    /// After this without an answer, others are asked to probe.
    pub probe_timeout: Duration,
    /// How many others are asked.
    pub indirect_probes: usize,
    /// Suspicion lasts `suspicion_mult · max(1, log10 N) · probe_interval`.
    pub suspicion_mult: f64,
    /// A change is sent `retransmit_mult · ⌈log10(N + 1)⌉` times.
    pub retransmit_mult: u32,
    /// Time between two gossip rounds.
    pub gossip_interval: Duration,
    /// Members told in one gossip round.
    pub gossip_nodes: usize,
    /// Time between two push/pull syncs with a random member.
    pub sync_interval: Duration,
    /// Time between two tries to reach a dead member or a seed again.
    pub reconnect_interval: Duration,
    /// The first delay between two tries to join.
    pub join_first: Duration,
    /// The longest delay between two tries to join.
    pub join_most: Duration,
    /// How long a dead or left member is remembered.
    pub dead_keep: Duration,
}

impl Tuning {
    const LAN: Self = Self {
        probe_interval: Duration::from_millis(500),
        probe_timeout: Duration::from_millis(200),
        sync_interval: Duration::from_secs(15),
        reconnect_interval: Duration::from_secs(5),
        ..Self::DEFAULT
    };

    const DEFAULT: Self = Self {
        probe_interval: Duration::from_secs(1),
        probe_timeout: Duration::from_millis(500),
        indirect_probes: 3,
        suspicion_mult: 4.0,
        retransmit_mult: 4,
        gossip_interval: Duration::from_millis(200),
        gossip_nodes: 3,
        sync_interval: Duration::from_secs(30),
        reconnect_interval: Duration::from_secs(10),
        join_first: Duration::from_millis(250),
        join_most: Duration::from_secs(5),
        dead_keep: Duration::from_secs(3600),
    };

    const WAN: Self = Self {
        suspicion_mult: 6.0,
        gossip_interval: Duration::from_millis(500),
        gossip_nodes: 4,
        sync_interval: Duration::from_secs(60),
        ..Self::DEFAULT
    };

    const TEST: Self = Self {
        probe_interval: Duration::from_millis(250),
        probe_timeout: Duration::from_millis(120),
        suspicion_mult: 6.0,
        gossip_interval: Duration::from_millis(100),
        sync_interval: Duration::from_secs(3),
        reconnect_interval: Duration::from_secs(1),
        join_first: Duration::from_millis(100),
        join_most: Duration::from_secs(1),
        ..Self::DEFAULT
    };

    /// How long a suspicion lasts among `nodes` live nodes.
    pub fn suspicion(&self, nodes: usize) -> Duration {
        self.probe_interval.mul_f64(self.suspicion_mult * (nodes.max(1) as f64).log10().max(1.0))
    }

    /// How often one change is sent among `nodes` live nodes.
    pub fn retransmits(&self, nodes: usize) -> u32 {
        let rounds = ((nodes.saturating_add(1)) as f64).log10().ceil().max(1.0);
        self.retransmit_mult.saturating_mul(rounds as u32)
    }
}

/// Why the detector could not start.
#[derive(Debug, thiserror::Error)]
pub enum SwimError {
    /// The socket could not be bound: choose another address or port.
    #[error("cannot listen for membership packets on {listen}")]
    Bind {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The metadata is too long: shorten names or labels.
    #[error("metadata is over the limit of {META_BYTES_MAX} bytes")]
    MetaTooLarge,
}
