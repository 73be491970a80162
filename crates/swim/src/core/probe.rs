//! Asking members whether they are there: directly, through others, and again while they are suspected.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt as _;

use muster_wire::{Generation, NodeId};

use crate::model::State;
use crate::packet::{Envelope, Message, Refusal};

use super::beliefs::CHASERS;
use super::timers::Timer;
use super::{Core, Target};

/// Probes under way at the same time: one by turn, the rest on evidence.
const PROBES_MAX: usize = 32;
/// Pings under way for others.
const RELAYS_MAX: usize = 1024;
/// The `seq` of pings whose answer matters only for the news it carries.
const SEQ_UNWATCHED: u64 = 0;

#[derive(Clone, Copy)]
struct Probe {
    target: NodeId,
    generation: Generation,
    sent: Duration,
    indirect: bool,
}

#[derive(Clone, Copy)]
struct Relay {
    asker: SocketAddr,
    seq: u64,
    target: NodeId,
}

#[derive(Default)]
pub(super) struct Probing {
    /// Members still to be probed in this round, the next one last.
    order: Vec<NodeId>,
    probes: BTreeMap<u64, Probe>,
    relays: BTreeMap<u64, Relay>,
    seq: u64,
}

impl Probing {
    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn is_probing(&self, id: NodeId) -> bool {
        self.probes.values().any(|probe| probe.target == id)
    }
}

impl Core {
    pub(super) fn probe_round(&mut self) {
        self.timers.set(Timer::Probe, self.now + self.tuning.probe_interval);
        if let Some(target) = self.next_target() {
            self.start_probe(target);
        }
    }

    /// Every live member once per round, in an order drawn anew for each round.
    fn next_target(&mut self) -> Option<NodeId> {
        if let Some(target) = self.pop_target() {
            return Some(target);
        }
        self.probing.order = self.some_live(usize::MAX, |_| true);
        self.pop_target()
    }

    fn pop_target(&mut self) -> Option<NodeId> {
        loop {
            let target = self.probing.order.pop()?;
            if self.table.is_live(target) {
                return Some(target);
            }
        }
    }

    /// A new member gets a random place in the round under way.
    pub(super) fn enlist(&mut self, id: NodeId) {
        self.probing.order.retain(|other| *other != id);
        let at = self.random_below(self.probing.order.len() + 1);
        self.probing.order.insert(at, id);
    }

    pub(super) fn random_below(&mut self, bound: usize) -> usize {
        match bound {
            0 => 0,
            _ => self.rng.random_range(0..bound),
        }
    }

    /// Probes one member now, unless it is being probed already.
    pub(super) fn start_probe(&mut self, target: NodeId) {
        let Some(peer) = self.table.get(target).filter(|peer| peer.state.is_live()) else { return };
        let probe = Probe { target, generation: peer.generation, sent: self.now, indirect: false };
        if self.leaving || self.probing.is_probing(target) || self.probing.probes.len() >= PROBES_MAX {
            return;
        }
        let seq = self.probing.next_seq();
        self.probing.probes.insert(seq, probe);
        self.timers.set(Timer::ProbeIndirect(seq), self.now + self.tuning.probe_timeout);
        self.timers.set(Timer::ProbeEnd(seq), self.now + self.tuning.probe_interval);
        self.ping(target, seq);
    }

    /// A suspect is told first of its suspicion.
    fn ping(&mut self, target: NodeId, seq: u64) {
        let suspected = self.table.get(target).is_some_and(|peer| peer.state == State::Suspect);
        let message = Message::Ping { seq, to: target };
        match suspected {
            true => self.send_to_member(target, message, &[target]),
            false => self.send_to_member(target, message, &[]),
        }
    }

    /// No direct answer: ask through others, and once more directly.
    pub(super) fn probe_indirectly(&mut self, seq: u64) {
        let Some(probe) = self.probing.probes.get_mut(&seq) else { return };
        probe.indirect = true;
        let target = probe.target;
        self.ping(target, seq);
        for relay in self.some_live(self.tuning.indirect_probes, |id| id != target) {
            self.send_to_member(relay, Message::PingReq { seq, target }, &[]);
        }
    }

    pub(super) fn end_probe(&mut self, seq: u64) {
        let Some(probe) = self.probing.probes.remove(&seq) else { return };
        let held = self.table.get(probe.target).map(|peer| peer.generation);
        if held == Some(probe.generation) {
            self.find(probe.target, State::Suspect);
        }
    }

    pub(super) fn end_relay(&mut self, seq: u64) {
        self.probing.relays.remove(&seq);
    }

    /// While a member is suspected, a few holders of the suspicion ask it again, so that it can refute in time.
    pub(super) fn chase(&mut self, id: NodeId) {
        if self.table.get(id).is_none_or(|peer| peer.state != State::Suspect) {
            return;
        }
        self.timers.set(Timer::Chase(id), self.next_chase());
        let share = CHASERS / self.size() as f64;
        if self.rng.random_bool(share.min(1.0)) {
            self.ping(id, SEQ_UNWATCHED);
        }
    }

    pub(super) fn on_ping(&mut self, from: SocketAddr, envelope: &Envelope, (seq, to): (u64, NodeId)) {
        if to != self.id {
            return self.drop_packet(Refusal::Misaddressed);
        }
        let known = self.table.get(envelope.from).map(|peer| peer.generation);
        let stranger = known < Some(envelope.generation);
        let ack = Message::Ack { seq, about: self.id, generation: self.me.generation, stranger };
        self.send(Target::Address(from), ack, &[]);
    }

    /// Only known members are pinged for others: nobody is made to send where a stranger points.
    pub(super) fn on_ping_req(&mut self, asker: SocketAddr, seq: u64, target: NodeId) {
        if self.probing.relays.len() >= RELAYS_MAX {
            return self.drop_packet(Refusal::Busy);
        }
        if !self.table.is_live(target) {
            return;
        }
        let own = self.probing.next_seq();
        self.probing.relays.insert(own, Relay { asker, seq, target });
        self.timers.set(Timer::Relay(own), self.now + self.tuning.probe_interval);
        self.ping(target, own);
    }

    pub(super) fn on_ack(&mut self, seq: u64, about: (NodeId, Generation)) {
        self.answer_probe(seq, about);
        self.answer_relay(seq, about);
    }

    /// The asked node does not know this one: it is told who asked.
    pub(super) fn on_ack_of_stranger(&mut self, from: SocketAddr, seq: u64, about: (NodeId, Generation)) {
        self.on_ack(seq, about);
        self.send(Target::Address(from), Message::Gossip {}, &[self.id]);
    }

    fn answer_probe(&mut self, seq: u64, about: (NodeId, Generation)) {
        let probe = self.probing.probes.get(&seq).copied();
        let Some(probe) = probe.filter(|probe| (probe.target, probe.generation) == about) else { return };
        self.finish_probe(seq);
        if !probe.indirect {
            self.note_rtt(probe.target, self.now.saturating_sub(probe.sent));
        }
    }

    fn answer_relay(&mut self, seq: u64, (about, generation): (NodeId, Generation)) {
        let relay = self.probing.relays.get(&seq).copied();
        let Some(relay) = relay.filter(|relay| relay.target == about) else { return };
        self.probing.relays.remove(&seq);
        self.timers.cancel(Timer::Relay(seq));
        let ack = Message::Ack { seq: relay.seq, about, generation, stranger: false };
        self.send(Target::Address(relay.asker), ack, &[]);
    }

    fn finish_probe(&mut self, seq: u64) {
        self.probing.probes.remove(&seq);
        self.timers.cancel(Timer::ProbeIndirect(seq));
        self.timers.cancel(Timer::ProbeEnd(seq));
    }

    fn note_rtt(&mut self, id: NodeId, rtt: Duration) {
        let Some(peer) = self.table.get_mut(id) else { return };
        peer.rtt = Some(peer.rtt.map_or(rtt, |before| (before * 7 + rtt) / 8));
        self.changed = true;
    }

    /// Other traffic was answered: as good as an ack. A suspicion starts anew, since only its owner can end it.
    pub(super) fn on_contact(&mut self, id: NodeId) {
        let answered: Vec<_> =
            self.probing.probes.iter().filter(|(_, probe)| probe.target == id).map(|(seq, _)| *seq).collect();
        answered.into_iter().for_each(|seq| self.finish_probe(seq));
        if self.table.get(id).is_some_and(|peer| peer.state == State::Suspect) {
            self.timers.set(Timer::Suspicion(id), self.now + self.suspicion());
        }
    }
}
