//! Getting in and staying in one piece: joining, and tries to reach the dead and the seeds again.

use std::time::Duration;

use rand::RngExt as _;

use muster_wire::NodeId;

use crate::model::State;

use super::timers::Timer;
use super::{Core, Target};

/// Seeds tried at the same time.
const SEEDS_AT_ONCE: usize = 8;
/// One that is dead for longer is tried more rarely.
const DEAD_FRESH: Duration = Duration::from_secs(300);
/// The least share of tries that go to one that is long dead.
const DEAD_SHARE_MIN: f64 = 0.05;

#[derive(Default)]
pub(super) struct Joining {
    seeds: Vec<String>,
    joined: bool,
    tries: u32,
}

impl Joining {
    pub(super) fn new(seeds: Vec<String>) -> Self {
        Self { seeds, ..Self::default() }
    }
}

impl Core {
    pub(super) fn set_seeds(&mut self, seeds: Vec<String>) {
        self.joining = Joining::new(seeds);
        if !self.leaving {
            self.timers.set(Timer::Join, self.now);
        }
    }

    /// Compares views with seeds until one has answered.
    pub(super) fn join_round(&mut self) {
        let seeds = self.other_seeds();
        if self.joining.joined || seeds.is_empty() {
            return;
        }
        for seed in self.some_of(seeds, SEEDS_AT_ONCE) {
            self.contact_seed(seed);
        }
        let delay = self.join_delay();
        self.timers.set(Timer::Join, self.now + delay);
    }

    fn contact_seed(&mut self, seed: String) {
        let digest = self.digest();
        self.send(Target::Name(seed), (None, digest), &[self.id]);
    }

    fn join_delay(&mut self) -> Duration {
        let full =
            self.tuning.join_first.saturating_mul(1 << self.joining.tries.min(16)).min(self.tuning.join_most);
        self.joining.tries = self.joining.tries.saturating_add(1);
        full.mul_f64(self.rng.random_range(0.5..=1.0))
    }

    fn other_seeds(&self) -> Vec<String> {
        self.joining.seeds.iter().filter(|seed| **seed != self.me.meta.swim).cloned().collect()
    }

    fn some_of(&mut self, mut from: Vec<String>, most: usize) -> Vec<String> {
        while from.len() > most {
            let at = self.random_below(from.len());
            from.swap_remove(at);
        }
        from
    }

    /// A part of a view has come. Others may have been lost on the way, so a comparison follows soon.
    pub(super) fn note_joined(&mut self) {
        if self.joining.joined || self.leaving {
            return;
        }
        self.joining.joined = true;
        self.timers.cancel(Timer::Join);
        self.timers.set(Timer::Sync, self.now + self.tuning.probe_interval);
    }

    /// One dead member and one seed: whatever cut the cluster in two, one of them is on the other side.
    pub(super) fn reconnect_round(&mut self) {
        self.timers.set(Timer::Reconnect, self.now + self.reconnect_pause());
        self.contact_a_dead_one();
        self.contact_a_seed();
    }

    fn contact_a_dead_one(&mut self) {
        let dead: Vec<_> = self.table.iter().filter(|(_, peer)| peer.state == State::Dead).collect();
        let dead: Vec<(NodeId, Duration)> = dead.into_iter().map(|(id, peer)| (id, peer.since)).collect();
        let at = self.random_below(dead.len());
        let Some((id, since)) = dead.get(at).copied() else { return };
        let age = self.now.saturating_sub(since);
        let share = (DEAD_FRESH.as_secs_f64() / age.as_secs_f64()).clamp(DEAD_SHARE_MIN, 1.0);
        if self.rng.random_bool(share) {
            let digest = self.digest();
            self.send_to_member(id, digest, &[self.id, id]);
        }
    }

    fn contact_a_seed(&mut self) {
        let missing: Vec<_> = self.other_seeds().into_iter().filter(|seed| !self.is_covered(seed)).collect();
        let at = self.random_below(missing.len());
        if let Some(seed) = missing.get(at) {
            self.contact_seed(seed.clone());
        }
    }

    /// A live member is known under this address.
    fn is_covered(&self, seed: &str) -> bool {
        self.table.live().iter().any(|id| self.table.get(*id).is_some_and(|peer| peer.meta.swim == seed))
    }
}
