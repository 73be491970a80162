//! Getting in and staying in one piece: joining, push/pull syncs, and tries to reach the dead and the seeds again.

use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt as _;

use muster_wire::NodeId;

use crate::model::State;
use crate::packet::{Message, Refusal, Want};

use super::timers::Timer;
use super::{Core, Effect, Target};

/// Seeds tried at the same time.
const SEEDS_AT_ONCE: usize = 8;
/// Packets of one sync in each direction.
const SLICE_PACKETS: usize = 4;
/// Packets of a full view.
const VIEW_PACKETS: usize = 4096;
/// Full views given per second; a joiner that gets none tries again.
const VIEWS_PER_SECOND: u32 = 64;
/// From this number of nodes on, syncs and tries to reconnect get rarer.
const SMALL_CLUSTER: usize = 32;

#[derive(Default)]
pub(super) struct Joining {
    seeds: Vec<String>,
    joined: bool,
    tries: u32,
    /// The second in which views are being given, and how many were.
    given: (u64, u32),
}

impl Joining {
    pub(super) fn new(seeds: Vec<String>) -> Self {
        Self { seeds, ..Self::default() }
    }

    fn may_give(&mut self, second: u64) -> bool {
        if self.given.0 != second {
            self.given = (second, 0);
        }
        self.given.1 += 1;
        self.given.1 <= VIEWS_PER_SECOND
    }
}

impl Core {
    pub(super) fn set_seeds(&mut self, seeds: Vec<String>) {
        self.joining = Joining { given: self.joining.given, ..Joining::new(seeds) };
        if !self.leaving {
            self.timers.set(Timer::Join, self.now);
        }
    }

    /// Asks seeds for their view until one has answered.
    pub(super) fn join_round(&mut self) {
        let seeds = self.other_seeds();
        if self.joining.joined || seeds.is_empty() {
            return;
        }
        for seed in self.some_of(seeds, SEEDS_AT_ONCE) {
            self.send(Target::Name(seed), Message::Sync { want: Want::Full }, &[self.id]);
        }
        let delay = self.join_delay();
        self.timers.set(Timer::Join, self.now + delay);
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

    pub(super) fn on_sync(&mut self, from: SocketAddr, want: Want) {
        match want {
            Want::Nothing => self.note_joined(),
            Want::Slice => self.give_view(from, SLICE_PACKETS),
            Want::Full => self.give_full_view(from),
        }
    }

    /// Parts of the view may be lost on the way, so a sync follows soon.
    fn note_joined(&mut self) {
        if self.joining.joined || self.leaving {
            return;
        }
        self.joining.joined = true;
        self.timers.cancel(Timer::Join);
        self.timers.set(Timer::Sync, self.now + self.tuning.probe_interval);
    }

    fn give_full_view(&mut self, to: SocketAddr) {
        match self.joining.may_give(self.now.as_secs()) {
            true => self.give_view(to, VIEW_PACKETS),
            false => self.drop_packet(Refusal::Busy),
        }
    }

    fn give_view(&mut self, to: SocketAddr, most: usize) {
        for bytes in self.view_packets(Message::Sync { want: Want::Nothing }, most) {
            self.out.push(Effect::Send { to: Target::Address(to), bytes });
        }
    }

    /// A slice of the view to a random member, and one of its back.
    pub(super) fn sync_round(&mut self) {
        let rarer = 1 + (self.size() / SMALL_CLUSTER).checked_ilog2().map_or(0, |log| log + 1);
        self.timers.set(Timer::Sync, self.now + self.tuning.sync_interval * rarer);
        let Some(id) = self.some_live(1, |_| true).pop() else { return };
        let Some(to) = self.table.get(id).map(|peer| Target::Name(peer.meta.swim.clone())) else { return };
        for bytes in self.view_packets(Message::Sync { want: Want::Nothing }, SLICE_PACKETS) {
            self.out.push(Effect::Send { to: to.clone(), bytes });
        }
        self.contact(to, &[]);
    }

    fn contact(&mut self, to: Target, first: &[NodeId]) {
        self.send(to, Message::Sync { want: Want::Slice }, first);
    }

    /// One dead member and one seed: whatever cut the cluster in two, one of them is on the other side.
    pub(super) fn reconnect_round(&mut self) {
        let rarer = (self.size() / SMALL_CLUSTER).max(1) as u32;
        self.timers.set(Timer::Reconnect, self.now + self.tuning.reconnect_interval * rarer);
        self.contact_a_dead_one();
        self.contact_a_seed();
    }

    fn contact_a_dead_one(&mut self) {
        let dead: Vec<_> =
            self.table.iter().filter(|(_, peer)| peer.state == State::Dead).map(|(id, _)| id).collect();
        let at = self.random_below(dead.len());
        let Some(id) = dead.get(at).copied() else { return };
        self.send_to_member(id, Message::Sync { want: Want::Slice }, &[self.id, id]);
    }

    fn contact_a_seed(&mut self) {
        let missing: Vec<_> = self.other_seeds().into_iter().filter(|seed| !self.is_covered(seed)).collect();
        let at = self.random_below(missing.len());
        if let Some(seed) = missing.get(at) {
            self.contact(Target::Name(seed.clone()), &[self.id]);
        }
    }

    /// A live member is known under this address.
    fn is_covered(&self, seed: &str) -> bool {
        self.table.live().any(|(_, peer)| peer.meta.swim == seed)
    }
}
