//! What changed beliefs mean: events, timers, and what is told on.

use muster_wire::NodeId;

use crate::model::{Event, LeaveReason, State};

use super::queue::Manner;
use super::table::{Before, Change};
use super::timers::Timer;
use super::{Core, Peer};

impl Core {
    /// Follows a change of the table: events, then timers and the queue.
    pub(super) fn settle(&mut self, id: NodeId, change: Change) {
        self.changed = true;
        let Some(after) = self.table.get(id).cloned() else { return };
        self.queue.push(id, manner(&after, change));
        if change.moved {
            self.watch(id, &after);
        }
        let events = self.events(id, &after, change);
        self.close_if_settled(id, &after);
        events.into_iter().for_each(|event| self.emit(event));
        self.review_mass();
    }

    /// Sets the timers that the member's state asks for.
    fn watch(&mut self, id: NodeId, after: &Peer) {
        self.timers.cancel(Timer::Forget(id));
        match after.state {
            State::Suspect => self.open_suspicion(id, after.by),
            State::Dead => self.bury(id),
            State::Left => self.timers.set(Timer::Forget(id), self.now + self.tuning.dead_keep),
            State::Alive => (),
        }
        self.hasten();
    }

    fn bury(&mut self, id: NodeId) {
        self.timers.set(Timer::Forget(id), self.now + self.tuning.dead_keep);
    }

    fn close_if_settled(&mut self, id: NodeId, after: &Peer) {
        if after.state != State::Suspect {
            self.close_suspicion(id);
        }
        if after.state == State::Dead {
            self.note_death(id);
        }
    }

    fn events(&mut self, id: NodeId, after: &Peer, change: Change) -> Vec<Event> {
        let Some(before) = change.before else { return self.birth(id, after, None) };
        if before.generation != after.generation {
            return self.succession(id, after, before);
        }
        let mut events = self.transition(id, before, after);
        let update = change.meta_before.filter(|_| before.state.is_live() && after.state.is_live());
        events.extend(update.map(|previous| Event::Update { member: after.member(id), previous }));
        events
    }

    /// A higher generation: the process before is gone, whatever was believed about it.
    fn succession(&mut self, id: NodeId, after: &Peer, before: Before) -> Vec<Event> {
        let death = before.state.is_live().then(|| self.death(id, before));
        let birth = self.birth(id, after, Some(before));
        death.into_iter().chain(birth).collect()
    }

    /// The events of a process that is new in the view.
    fn birth(&mut self, id: NodeId, after: &Peer, before: Option<Before>) -> Vec<Event> {
        if !after.state.is_live() {
            return Vec::new();
        }
        self.enlist(id);
        let mut events =
            vec![Event::Join { member: after.member(id), previous: before.map(|before| before.generation) }];
        if after.state == State::Suspect {
            events.push(self.doubt(id, after));
        }
        events
    }

    fn transition(&mut self, id: NodeId, before: Before, after: &Peer) -> Vec<Event> {
        match (before.state, after.state) {
            (State::Alive, State::Suspect) => vec![self.doubt(id, after)],
            (State::Suspect, State::Alive) => vec![self.refutation(id, before, after)],
            (State::Alive | State::Suspect, State::Dead) => vec![self.death(id, before)],
            (State::Alive | State::Suspect, State::Left) => vec![goodbye(id, after)],
            (State::Dead | State::Left, State::Alive | State::Suspect) => self.birth(id, after, Some(before)),
            _ => Vec::new(),
        }
    }

    fn doubt(&self, id: NodeId, after: &Peer) -> Event {
        Event::Suspect {
            id,
            generation: after.generation,
            incarnation: after.incarnation,
            by: after.by.unwrap_or(self.id),
            deadline: self.death_of(id).unwrap_or(self.now),
        }
    }

    fn refutation(&self, id: NodeId, before: Before, after: &Peer) -> Event {
        Event::Alive {
            id,
            generation: after.generation,
            incarnation: after.incarnation,
            suspected_for: self.now.saturating_sub(before.since),
        }
    }

    fn death(&self, id: NodeId, before: Before) -> Event {
        let was_suspect = before.state == State::Suspect;
        let detected_in = self.now.saturating_sub(before.since) * u32::from(was_suspect);
        Event::Dead {
            id,
            generation: before.generation,
            incarnation: before.incarnation,
            confirmations: self.suspicions.confirmations(id),
            detected_in,
        }
    }
}

fn goodbye(id: NodeId, after: &Peer) -> Event {
    Event::Leave { id, generation: after.generation, reason: after.reason.unwrap_or(LeaveReason::Shutdown) }
}

/// Whoever is new, or has new metadata, is told in full.
fn manner(after: &Peer, change: Change) -> Manner {
    let is_new =
        change.before.is_none_or(|before| before.generation != after.generation || !before.state.is_live());
    match (after.state, is_new | change.meta_before.is_some()) {
        (State::Dead | State::Left, _) => Manner::Hasty,
        (State::Alive | State::Suspect, true) => Manner::Full,
        (State::Alive | State::Suspect, false) => Manner::Brief,
    }
}
