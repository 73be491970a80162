//! What a seed stands for: how large the cluster is, how it is used, and how much goes wrong.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::scripts::{self, Script};

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) hosts: usize,
    pub(crate) jobs: usize,
    pub(crate) clients: usize,
    /// How long things go wrong.
    pub(crate) storm: Duration,
    /// Between two faults, at most.
    pub(crate) calm_ms_max: u64,
    pub(crate) sleep_after: Duration,
    pub(crate) evict_after: Duration,
    pub(crate) replace_after: Duration,
    pub(crate) resident_max: usize,
    pub(crate) snapshot_entries: u64,
    pub(crate) latency_ms_min: u64,
    pub(crate) latency_ms_max: u64,
    /// What happens first.
    pub(crate) script: Option<Script>,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            seed,
            hosts: rng.random_range(3..=5),
            jobs: rng.random_range(20..=50),
            clients: rng.random_range(3..=8),
            storm: Duration::from_millis(rng.random_range(8_000..16_000)),
            calm_ms_max: rng.random_range(400..4_000),
            sleep_after: Duration::from_millis(rng.random_range(300..2_000)),
            evict_after: Duration::from_millis(rng.random_range(300..3_000)),
            replace_after: Duration::from_millis(rng.random_range(500..3_000)),
            resident_max: rng.random_range(5..40),
            snapshot_entries: rng.random_range(4..40),
            latency_ms_max: rng.random_range(2..15),
            latency_ms_min: rng.random_range(0..=1),
            script: None,
        }
        .with(Script::of(seed))
    }

    /// The same with a script, which takes a cluster of its size.
    pub(crate) fn with(self, script: Option<Script>) -> Self {
        match script {
            Some(_) => Self { script, hosts: scripts::HOSTS, ..self },
            None => self,
        }
    }

    /// The names of all hosts.
    pub(crate) fn founders(&self) -> impl Iterator<Item = String> + use<> {
        (1..=self.hosts).map(|number| format!("m{number}"))
    }
}
