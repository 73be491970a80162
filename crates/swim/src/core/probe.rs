//! Asking members whether they are there: directly, then again, through others and over TCP.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_wire::{Generation, NodeId};

use crate::body::Message;
use crate::frame::Sender;
use crate::model::State;

use super::timers::Timer;
use super::{Core, Effect, SEQ_UNWATCHED, Target};

/// Probes under way at the same time: one by turn, the rest on evidence.
const PROBES_MAX: usize = 32;
/// The largest number of a probe: numbers stay two bytes long, and none comes back while its probe is under way.
const SEQ_MAX: u64 = (1 << 14) - 1;

#[derive(Clone, Copy)]
struct Probe {
    target: Sender,
    sent: Duration,
    /// Direct pings that went out.
    pings: u32,
    /// More than one question went out, so an answer says nothing about the round trip.
    indirect: bool,
    asked: u32,
    nacks: u32,
    refused: bool,
}

#[derive(Default)]
pub(super) struct Probing {
    /// Members still to be probed in this round, the next one last.
    order: Vec<NodeId>,
    probes: BTreeMap<u64, Probe>,
    seq: u64,
}

impl Probing {
    /// From 1 to [`SEQ_MAX`] and again.
    pub(super) fn next_seq(&mut self) -> u64 {
        self.seq = self.seq % SEQ_MAX + 1;
        self.seq
    }

    fn of(&self, id: NodeId) -> Option<u64> {
        self.probes.iter().find(|(_, probe)| probe.target.id == id).map(|(seq, _)| *seq)
    }
}

impl Core {
    pub(super) fn probe_round(&mut self) {
        self.timers.set(Timer::Probe, self.now + self.scaled(self.tuning.probe_interval));
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

    /// Probes one member now, unless it is being probed already. Gives the number of its probe.
    pub(super) fn start_probe(&mut self, target: NodeId) -> Option<u64> {
        if let Some(seq) = self.probing.of(target) {
            return Some(seq);
        }
        let peer = self.table.get(target).filter(|peer| peer.state.is_live())?;
        let target = Sender { id: target, generation: peer.generation };
        if self.leaving || self.probing.probes.len() >= PROBES_MAX {
            return None;
        }
        Some(self.open_probe(target))
    }

    fn open_probe(&mut self, target: Sender) -> u64 {
        let probe =
            Probe { target, sent: self.now, pings: 1, indirect: false, asked: 0, nacks: 0, refused: false };
        let seq = self.probing.next_seq();
        self.probing.probes.insert(seq, probe);
        self.timers.set(Timer::ProbeIndirect(seq), self.now + self.scaled(self.tuning.probe_timeout));
        self.ask_again_after(1, seq);
        self.timers.set(Timer::ProbeEnd(seq), self.now + self.scaled(self.tuning.probe_interval));
        self.ping(target.id, seq);
        seq
    }

    /// The direct pings are spread evenly over the time that they have.
    fn ask_again_after(&mut self, pings: u32, seq: u64) {
        let asks = self.tuning.direct_pings.max(1);
        if pings < asks {
            self.timers.set(Timer::ProbeAgain(seq), self.now + self.scaled(self.tuning.probe_timeout) / asks);
        }
    }

    /// A suspect is told first of its suspicion.
    pub(super) fn ping(&mut self, target: NodeId, seq: u64) {
        let told = self.told_first(target);
        self.send_to_member(target, Message::Ping { seq }, &told);
    }

    fn told_first(&self, target: NodeId) -> Vec<NodeId> {
        let suspected = self.table.get(target).filter(|peer| peer.state == State::Suspect);
        suspected.map(|_| target).into_iter().collect()
    }

    /// Asks over TCP, with the same words.
    pub(super) fn dial(&mut self, target: NodeId, seq: u64) {
        let Some(peer) = self.table.get(target).filter(|_| self.tuning.is_asked_reliably) else { return };
        let name = peer.meta.swim.clone();
        let told = self.told_first(target);
        let body = self.body(&Message::Ping { seq }, &told);
        self.out.push(Effect::Dial { name, to: target, body });
    }

    /// No answer yet: once more directly, and in the long form, should the short one not be understood any more.
    pub(super) fn probe_again(&mut self, seq: u64) {
        let Some(probe) = self.probing.probes.get_mut(&seq) else { return };
        probe.indirect = true;
        probe.pings += 1;
        let (target, pings) = (probe.target.id, probe.pings);
        self.ask_again_after(pings, seq);
        if let Some(peer) = self.table.get_mut(target) {
            peer.knows_me = false;
        }
        self.ping(target, seq);
    }

    /// No direct answer: ask through others. Over TCP too, but where several pings were sent only when they have had
    /// time to answer, for it costs the most.
    pub(super) fn probe_indirectly(&mut self, seq: u64) {
        let Some(probe) = self.probing.probes.get(&seq).copied() else { return };
        let rest = self.scaled(self.tuning.probe_interval.saturating_sub(self.tuning.probe_timeout));
        match self.tuning.direct_pings > 1 {
            true => self.timers.set(Timer::ProbeReliable(seq), self.now + rest / 2),
            false => self.dial(probe.target.id, seq),
        }
        self.ask_relays(probe.target.id, seq);
    }

    pub(super) fn probe_reliably(&mut self, seq: u64) {
        if let Some(probe) = self.probing.probes.get(&seq).copied() {
            self.dial(probe.target.id, seq);
        }
    }

    fn ask_relays(&mut self, target: NodeId, seq: u64) {
        let relays = self.some_live(self.tuning.indirect_probes, |id| id != target);
        if let Some(probe) = self.probing.probes.get_mut(&seq) {
            probe.indirect = true;
            probe.asked = relays.len() as u32;
        }
        for relay in relays {
            self.send_to_member(relay, Message::PingReq { seq, target }, &[]);
        }
    }

    pub(super) fn end_probe(&mut self, seq: u64) {
        let Some(probe) = self.probing.probes.get(&seq).copied() else { return };
        self.finish_probe(seq);
        let illness = match probe.asked {
            0 => 1,
            asked => asked.saturating_sub(probe.nacks),
        };
        self.fall_ill(illness);
        let held = self.table.get(probe.target.id).map(|peer| peer.generation);
        if held == Some(probe.target.generation) {
            self.condemn(&probe);
        }
    }

    fn condemn(&mut self, probe: &Probe) {
        self.find(probe.target.id, State::Suspect);
        if self.tuning.chases > 0 {
            // a live one refutes before the suspicion is told around
            self.ping(probe.target.id, SEQ_UNWATCHED);
        }
        if probe.refused {
            self.shorten(probe.target.id);
        }
    }

    /// The one that was asked is alive. `via` another one: not for the round trip.
    pub(super) fn answer_probe(&mut self, seq: u64, about: Sender) {
        let probe = self.probing.probes.get(&seq).copied();
        let Some(probe) = probe.filter(|probe| probe.target == about) else { return };
        self.finish_probe(seq);
        self.recover();
        if !probe.indirect {
            self.note_rtt(about.id, self.now.saturating_sub(probe.sent));
        }
    }

    pub(super) fn count_nack(&mut self, seq: u64, about: NodeId) {
        let probe = self.probing.probes.get_mut(&seq).filter(|probe| probe.target.id == about);
        if let Some(probe) = probe {
            probe.nacks += 1;
        }
    }

    fn finish_probe(&mut self, seq: u64) {
        self.probing.probes.remove(&seq);
        let timers = [
            Timer::ProbeAgain(seq),
            Timer::ProbeIndirect(seq),
            Timer::ProbeReliable(seq),
            Timer::ProbeEnd(seq),
        ];
        timers.into_iter().for_each(|timer| self.timers.cancel(timer));
    }

    fn note_rtt(&mut self, id: NodeId, rtt: Duration) {
        let Some(peer) = self.table.get_mut(id) else { return };
        peer.rtt = Some(peer.rtt.map_or(rtt, |before| (before * 7 + rtt) / 8));
        self.changed = true;
    }

    /// Other traffic was answered: as good as an ack. A suspicion starts anew, since only its owner can end it.
    pub(super) fn on_contact(&mut self, id: NodeId) {
        if let Some(seq) = self.probing.of(id) {
            self.finish_probe(seq);
            self.recover();
        }
        self.restart_suspicion(id);
    }

    /// Nobody listens at its address. If it does not answer a probe either, it is gone.
    pub(super) fn on_refused(&mut self, id: NodeId) {
        if self.table.get(id).is_some_and(|peer| peer.state == State::Suspect) {
            return self.shorten(id);
        }
        let Some(seq) = self.start_probe(id) else { return };
        let Some(probe) = self.probing.probes.get_mut(&seq) else { return };
        probe.refused = true;
        let end = probe.sent + self.tuning.probe_timeout * 2;
        self.timers.set_earlier(Timer::ProbeEnd(seq), end.max(self.now));
    }

    pub(super) fn on_ping(&mut self, from: Target, sender: Sender, seq: u64) {
        let stranger = self.table.get(sender.id).is_none_or(|peer| peer.generation < sender.generation);
        self.send(from, (Some(sender.id), Message::Ack { seq, stranger }), &[]);
    }

    pub(super) fn on_ack(&mut self, (from, sender): (Target, Sender), (seq, stranger): (u64, bool)) {
        self.answer_probe(seq, sender);
        self.answer_relay(seq, sender);
        let Some(peer) = self.table.get_mut(sender.id) else { return };
        peer.knows_me = !stranger & (peer.generation == sender.generation);
        if stranger {
            self.send(from, (Some(sender.id), Message::Gossip), &[self.id]);
        }
    }

    pub(super) fn on_relayed(&mut self, seq: u64, (about, generation): (NodeId, Generation)) {
        self.answer_probe(seq, Sender { id: about, generation });
    }
}
