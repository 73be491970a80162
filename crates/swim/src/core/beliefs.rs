//! What news do: events, timers, and the node's own answer to news about itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use muster_wire::NodeId;

use crate::model::{Event, LeaveReason, Meta, State};
use crate::packet::{Envelope, Message, Record};

use super::table::Merge;
use super::timers::Timer;
use super::{Core, Target};

/// Members told directly of a goodbye; the rest hear it by gossip.
const GOODBYE_NODES: usize = 32;
/// A suspect is asked again this often before its suspicion ends, by about [`CHASERS`] members.
const CHASES: u32 = 4;
pub(super) const CHASERS: f64 = 8.0;

impl Core {
    /// Takes one record in. `softly`: it comes from a sync, where a death may be old news from the other side of a
    /// healed partition, so a live member is only suspected and has time to refute.
    pub(super) fn learn(&mut self, record: Record, softly: bool) {
        if record.id == self.id {
            return self.learn_about_me(&record);
        }
        match softly {
            true => self.apply(&self.soften(record)),
            false => self.apply(&record),
        }
    }

    fn soften(&self, record: Record) -> Record {
        let held = self.table.get(record.id).filter(|peer| peer.generation == record.generation);
        match (record.state, held.map(|peer| peer.state)) {
            (State::Dead, Some(State::Alive | State::Suspect)) => Record { state: State::Suspect, ..record },
            _ => record,
        }
    }

    pub(super) fn apply(&mut self, record: &Record) {
        match self.table.merge(record) {
            Merge::Ignored => (),
            Merge::Stale => self.tell_state(record.id, None),
            Merge::Changed { events, moved } => self.settle(record.id, events, moved),
        }
    }

    fn settle(&mut self, id: NodeId, events: Vec<Event>, moved: bool) {
        self.changed = true;
        self.queue.push(id);
        if moved {
            self.watch(id);
        }
        for event in events {
            if matches!(event, Event::Join { .. }) {
                self.enlist(id);
            }
            self.emit(event);
        }
    }

    /// Sets the timers that the member's state asks for.
    fn watch(&mut self, id: NodeId) {
        let timers = [Timer::Chase(id), Timer::Suspicion(id), Timer::Forget(id)];
        timers.into_iter().for_each(|timer| self.timers.cancel(timer));
        match self.table.get(id).map(|peer| peer.state) {
            Some(State::Suspect) => self.watch_suspect(id),
            Some(State::Dead | State::Left) => {
                self.timers.set(Timer::Forget(id), self.now + self.tuning.dead_keep)
            }
            Some(State::Alive) | None => (),
        }
    }

    fn watch_suspect(&mut self, id: NodeId) {
        let suspicion = self.suspicion();
        self.timers.set(Timer::Suspicion(id), self.now + suspicion);
        self.timers.set(Timer::Chase(id), self.now + suspicion / CHASES);
    }

    pub(super) fn suspicion(&self) -> Duration {
        self.tuning.suspicion(self.size())
    }

    pub(super) fn next_chase(&self) -> Duration {
        self.now + self.suspicion() / CHASES
    }

    /// This node's own finding about a member's process.
    pub(super) fn find(&mut self, id: NodeId, state: State) {
        let Some(peer) = self.table.get(id).filter(|peer| peer.state < state) else { return };
        let record = Record { state, ..peer.brief(id) };
        self.apply(&record);
    }

    pub(super) fn declare_dead(&mut self, id: NodeId) {
        if self.table.get(id).is_some_and(|peer| peer.state == State::Suspect) {
            self.find(id, State::Dead);
        }
    }

    pub(super) fn forget(&mut self, id: NodeId) {
        if !self.table.is_live(id) {
            self.table.forget(id);
            self.queue.remove(id);
            self.changed = true;
        }
    }

    /// Only the owner raises its incarnation: over everything that is said about this process and is not true.
    fn learn_about_me(&mut self, record: &Record) {
        match record.generation.cmp(&self.me.generation) {
            std::cmp::Ordering::Less => (),
            std::cmp::Ordering::Equal => self.answer(record),
            std::cmp::Ordering::Greater => self.yield_to_successor(),
        }
    }

    /// Whoever still doubts this node has missed what it said: it says it again, beginning with its answer to them.
    fn answer(&mut self, record: &Record) {
        if self.is_missed(record) {
            self.queue.push(self.id);
        }
        if !self.leaving && self.is_outdone(record) {
            self.refute(record);
        }
    }

    fn refute(&mut self, record: &Record) {
        self.me.incarnation = self.me.incarnation.max(record.incarnation).saturating_add(1);
        self.me.meta_version = self.outdone_version(record);
        self.news_of_me();
        if !record.state.is_live() {
            self.emit(Event::SelfDead);
        }
    }

    /// A doubt that this node has answered already.
    fn is_missed(&self, record: &Record) -> bool {
        record.state != State::Alive
            && (record.incarnation, record.state) < (self.me.incarnation, self.me.state)
    }

    /// Does it say more than this node has said itself?
    fn is_outdone(&self, record: &Record) -> bool {
        (record.incarnation, record.state) > (self.me.incarnation, self.me.state)
            || record.meta_version > self.me.meta_version
    }

    fn outdone_version(&self, record: &Record) -> u32 {
        match record.meta_version > self.me.meta_version {
            true => record.meta_version.saturating_add(1),
            false => self.me.meta_version,
        }
    }

    fn yield_to_successor(&mut self) {
        if !self.superseded {
            self.superseded = true;
            self.emit(Event::SelfDead);
        }
    }

    fn news_of_me(&mut self) {
        self.changed = true;
        self.queue.push(self.id);
    }

    pub(super) fn set_meta(&mut self, meta: Meta) {
        if *self.me.meta == meta {
            return;
        }
        self.me.meta = Arc::new(meta);
        self.me.meta_version = self.me.meta_version.saturating_add(1);
        self.news_of_me();
        self.emit(Event::Update { member: self.me.member(self.id) });
    }

    pub(super) fn leave(&mut self, reason: LeaveReason) {
        if self.leaving {
            return;
        }
        self.leaving = true;
        self.me.incarnation = self.me.incarnation.saturating_add(1);
        self.me.state = State::Left;
        self.me.reason = Some(reason);
        self.news_of_me();
        let rounds = [Timer::Probe, Timer::Sync, Timer::Reconnect, Timer::Join];
        rounds.into_iter().for_each(|timer| self.timers.cancel(timer));
        let told = self.some_live(GOODBYE_NODES, |_| true);
        told.into_iter().for_each(|id| self.send_to_member(id, Message::Gossip {}, &[self.id]));
    }

    /// A sender that is held dead or gone should know, so that it can refute.
    pub(super) fn correct_sender(&mut self, from: SocketAddr, envelope: &Envelope) {
        let held = self.table.get(envelope.from).filter(|peer| peer.generation == envelope.generation);
        if held.is_some_and(|peer| !peer.state.is_live()) {
            self.tell_state(envelope.from, Some(from));
        }
    }

    /// Tells a node what is believed about it, at most once per probe interval.
    fn tell_state(&mut self, id: NodeId, at: Option<SocketAddr>) {
        let (now, pause) = (self.now, self.tuning.probe_interval);
        let Some(peer) = self.table.get_mut(id) else { return };
        if peer.told_at.is_some_and(|told_at| now < told_at + pause) {
            return;
        }
        peer.told_at = Some(now);
        let to = at.map_or_else(|| Target::Name(peer.meta.swim.clone()), Target::Address);
        self.send(to, Message::Gossip {}, &[id]);
    }
}
