//! The figures of the protocol, and the named sets of them.

use std::time::Duration;

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

/// The figures of the protocol. They may change while it runs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tuning {
    /// One member is probed in each interval.
    pub probe_interval: Duration,
    /// After this without an answer, others are asked to probe.
    pub probe_timeout: Duration,
    /// How many others are asked.
    pub indirect_probes: usize,
    /// A member that does not answer is pinged this often before others are asked; 0 is taken as 1.
    pub direct_pings: u32,
    /// The member is asked over TCP when others are asked.
    pub is_asked_reliably: bool,
    /// The shortest suspicion lasts `suspicion_mult · max(1, log10 N) · probe_interval`.
    pub suspicion_mult: f64,
    /// The longest suspicion is this many times the shortest.
    pub suspicion_max_mult: f64,
    /// Further members that must find the suspect silent before the shortest suspicion is enough.
    pub confirmations: u32,
    /// A suspect is asked again this often, less one, before the shortest suspicion ends; 0: never.
    pub chases: u32,
    /// The local health multiplier goes from 0 up to this; 0 switches it off.
    pub health_max: u8,
    /// A change is sent `retransmit_mult · ⌈log10(N + 1)⌉` times.
    pub retransmit_mult: u32,
    /// Time between two gossip rounds.
    pub gossip_interval: Duration,
    /// Time between the first rounds of news that somebody is gone; the gossip interval switches haste off.
    pub haste_interval: Duration,
    /// Members told in one gossip round.
    pub gossip_nodes: usize,
    /// Time between two comparisons of views with a random member.
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
        suspicion_mult: 3.75,
        sync_interval: Duration::from_secs(15),
        ..Self::DEFAULT
    };

    const DEFAULT: Self = Self {
        probe_interval: Duration::from_secs(1),
        probe_timeout: Duration::from_millis(500),
        indirect_probes: 3,
        direct_pings: 5,
        is_asked_reliably: true,
        suspicion_mult: 4.0,
        suspicion_max_mult: 6.0,
        confirmations: 3,
        chases: 4,
        health_max: 7,
        retransmit_mult: 4,
        gossip_interval: Duration::from_millis(200),
        haste_interval: Duration::from_millis(20),
        gossip_nodes: 3,
        sync_interval: Duration::from_secs(30),
        reconnect_interval: Duration::from_secs(1),
        join_first: Duration::from_millis(250),
        join_most: Duration::from_secs(5),
        dead_keep: Duration::from_secs(3600),
    };

    const WAN: Self = Self {
        direct_pings: 2,
        suspicion_mult: 6.0,
        gossip_interval: Duration::from_millis(500),
        haste_interval: Duration::from_millis(100),
        gossip_nodes: 4,
        sync_interval: Duration::from_secs(60),
        reconnect_interval: Duration::from_secs(5),
        ..Self::DEFAULT
    };

    const TEST: Self = Self {
        probe_interval: Duration::from_millis(250),
        probe_timeout: Duration::from_millis(120),
        suspicion_mult: 6.0,
        gossip_interval: Duration::from_millis(100),
        sync_interval: Duration::from_secs(3),
        join_first: Duration::from_millis(100),
        join_most: Duration::from_secs(1),
        ..Self::DEFAULT
    };

    /// The protocol of memberlist with its LAN figures: Lifeguard without what was added here. For comparisons.
    pub const LIFEGUARD_LAN: Self = Self {
        direct_pings: 1,
        confirmations: 2,
        chases: 0,
        haste_interval: Duration::from_millis(200),
        reconnect_interval: Duration::from_secs(30),
        ..Self::DEFAULT
    };

    /// The shortest suspicion among `nodes` live nodes.
    pub fn suspicion(&self, nodes: usize) -> Duration {
        self.probe_interval.mul_f64(self.suspicion_mult * (nodes.max(1) as f64).log10().max(1.0))
    }

    /// How often one change is sent among `nodes` live nodes.
    pub fn retransmits(&self, nodes: usize) -> u32 {
        let rounds = ((nodes.saturating_add(1)) as f64).log10().ceil().max(1.0);
        self.retransmit_mult.saturating_mul(rounds as u32)
    }
}
