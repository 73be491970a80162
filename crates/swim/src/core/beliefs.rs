//! What news do, and the node's own answer to news about itself.

use std::sync::Arc;

use muster_wire::NodeId;

use crate::body::{Message, Record};
use crate::frame::Sender;
use crate::model::{Event, LeaveReason, Meta, State};

use super::queue::Manner;
use super::table::{INCARNATION_JUMP_MAX, Merge};
use super::timers::Timer;
use super::{Core, Target};

/// Members told directly of a goodbye; the rest hear it by gossip.
const GOODBYE_NODES: usize = 32;

impl Core {
    /// Takes one record in. Who has missed a goodbye is told of it: the one that left does not answer any more.
    pub(super) fn learn_from(
        &mut self,
        from: &Target,
        sender: Sender,
        (record, view_of): (Record, Option<NodeId>),
    ) {
        let (id, generation) = (record.id, record.generation);
        let is_missed = record.state != State::Left
            && self
                .table
                .get(id)
                .is_some_and(|held| (held.generation, held.state) == (generation, State::Left));
        self.learn(record, view_of);
        if is_missed && self.table.get(id).is_some_and(|held| held.state == State::Left) {
            self.send(from.clone(), (Some(sender.id), Message::Gossip), &[id]);
        }
    }

    /// Takes one record in. `from` is the sender of a part of its view, where a death may be old news from the other
    /// side of a healed partition, so a live member is only suspected and has time to refute.
    fn learn(&mut self, record: Record, view_of: Option<NodeId>) {
        if record.id == self.id {
            return self.learn_about_me(&record);
        }
        match view_of {
            Some(from) => self.apply_from_view(&record, from),
            None => self.apply(&record),
        }
    }

    /// Others may not have heard of a death that is only suspected here, so this node asks it.
    fn apply_from_view(&mut self, record: &Record, from: NodeId) {
        let softened = self.soften(record.clone(), from);
        self.apply(&softened);
        if softened.state != record.state {
            self.suspicions.keep_asking(record.id);
        }
    }

    fn soften(&self, record: Record, from: NodeId) -> Record {
        let held = self.table.get(record.id).filter(|peer| peer.generation == record.generation);
        match (record.state, held.map(|peer| peer.state)) {
            (State::Dead, Some(State::Alive | State::Suspect)) => {
                Record { state: State::Suspect, by: record.by.or(Some(from)), ..record }
            }
            _ => record,
        }
    }

    pub(super) fn apply(&mut self, record: &Record) {
        if let Some(by) = self.confirms(record) {
            return self.confirm(record.id, by);
        }
        match self.table.merge(record, self.now) {
            Merge::Ignored => (),
            Merge::Stale => self.tell_state(record.id, None),
            Merge::Changed(change) => self.settle(record.id, change),
        }
    }

    /// This node's own finding about a member's process.
    pub(super) fn find(&mut self, id: NodeId, state: State) {
        let Some(peer) = self.table.get(id).filter(|peer| peer.state <= state) else { return };
        let record = Record { state, by: Some(self.id), ..peer.brief(id) };
        self.apply(&record);
        self.suspicions.keep_asking(id);
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
            std::cmp::Ordering::Greater => self.yield_to_successor(record),
        }
    }

    /// Whoever still doubts this node has missed what it said: it says it again, beginning with its answer to them.
    fn answer(&mut self, record: &Record) {
        if self.is_missed(record) {
            self.queue.push(self.id, Manner::Brief);
        }
        if self.is_refutable(record) {
            self.refute(record);
        }
    }

    fn is_refutable(&self, record: &Record) -> bool {
        let is_believable = record.incarnation <= self.me.incarnation.saturating_add(INCARNATION_JUMP_MAX);
        !self.leaving && is_believable && self.is_outdone(record)
    }

    fn refute(&mut self, record: &Record) {
        self.me.incarnation = self.me.incarnation.max(record.incarnation).saturating_add(1);
        self.me.meta_version = self.outdone_version(record);
        self.news_of_me(Manner::Brief);
        match record.state {
            State::Alive => (),
            State::Suspect => self.fall_ill(1),
            State::Dead | State::Left => self.note_own_death(record),
        }
    }

    fn note_own_death(&mut self, record: &Record) {
        self.fall_ill(1);
        self.emit(Event::SelfDead { by: record.by.unwrap_or_default() });
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

    fn yield_to_successor(&mut self, record: &Record) {
        if !self.superseded {
            self.superseded = true;
            self.emit(Event::SelfDead { by: record.by.unwrap_or(self.id) });
        }
    }

    fn news_of_me(&mut self, manner: Manner) {
        self.changed = true;
        self.queue.push(self.id, manner);
    }

    pub(super) fn set_meta(&mut self, meta: Meta) {
        if *self.me.meta == meta {
            return;
        }
        let previous = self.me.meta_version;
        self.me.meta = Arc::new(meta);
        self.me.meta_version = previous.saturating_add(1);
        self.news_of_me(Manner::Full);
        self.emit(Event::Update { member: self.me.member(self.id), previous });
    }

    pub(super) fn leave(&mut self, reason: LeaveReason) {
        if self.leaving {
            return;
        }
        self.leaving = true;
        self.me.incarnation = self.me.incarnation.saturating_add(1);
        self.me.state = State::Left;
        self.me.since = self.now;
        self.me.reason = Some(reason);
        self.news_of_me(Manner::Hasty);
        let rounds = [Timer::Probe, Timer::Sync, Timer::Reconnect, Timer::Join];
        rounds.into_iter().for_each(|timer| self.timers.cancel(timer));
        let told = self.some_live(GOODBYE_NODES, |_| true);
        told.into_iter().for_each(|id| self.send_to_member(id, Message::Gossip, &[self.id]));
        self.hasten();
    }

    /// A sender that is held dead or gone should know, so that it can refute.
    pub(super) fn correct_sender(&mut self, from: Target, sender: Sender) {
        let held = self.table.get(sender.id).filter(|peer| peer.generation == sender.generation);
        if held.is_some_and(|peer| !peer.state.is_live()) {
            self.tell_state(sender.id, Some(from));
        }
    }

    /// Tells a node what is believed about it, at most once per probe interval.
    fn tell_state(&mut self, id: NodeId, at: Option<Target>) {
        let (now, pause) = (self.now, self.tuning.probe_interval);
        let Some(peer) = self.table.get_mut(id) else { return };
        if peer.told_at.is_some_and(|told_at| now < told_at + pause) {
            return;
        }
        peer.told_at = Some(now);
        let to = at.unwrap_or_else(|| Target::Name(peer.meta.swim.clone()));
        self.send(to, (Some(id), Message::Gossip), &[id]);
    }
}
