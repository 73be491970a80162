//! From silence to death: every holder of a suspicion has its own timer, which gets shorter with each member that
//! finds the suspect silent by itself. While many are silent at once, this node doubts itself first.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt as _;

use muster_wire::NodeId;

use crate::body::{Message, Record};
use crate::model::{Event, State};

use super::queue::Manner;
use super::timers::Timer;
use super::{Core, SEQ_UNWATCHED};

/// A suspect is asked again by about this many members at each chase.
const CHASERS: f64 = 8.0;
/// One in this many of the others may be asked to confirm: each needs a round for it.
const CONFIRMERS: u32 = 3;
/// More than one in this many silent members at once are a mass suspicion.
const MASS_SHARE: usize = 3;
/// Clusters up to this size have no mass suspicion.
const MASS_FREE: usize = 3;
/// In a mass suspicion a death waits for this many times the longest suspicion.
const MASS_PATIENCE: u32 = 3;

/// One suspect.
#[derive(Clone, Debug)]
pub(super) struct Suspicion {
    started: Duration,
    shortest: Duration,
    longest: Duration,
    /// Confirmations after which the shortest is enough.
    wanted: u32,
    /// Who found it silent.
    by: Vec<NodeId>,
    /// Nobody listens at its address: there is no need to wait for more.
    refused: bool,
    /// This node has not only heard of it: it asks at every chase.
    is_own: bool,
    /// Chases until now.
    chased: u32,
}

impl Suspicion {
    /// Lifeguard's formula: from the longest down to the shortest with the logarithm of the confirmations.
    fn lasts(&self) -> Duration {
        let confirmed = (self.by.len().saturating_sub(1) as u32).min(self.wanted);
        if self.wanted == 0 {
            return self.shortest;
        }
        let share = f64::from(confirmed + 1).ln() / f64::from(self.wanted + 1).ln();
        let span = self.longest.saturating_sub(self.shortest);
        self.longest.saturating_sub(span.mul_f64(share)).max(self.shortest)
    }

    /// Is it this node's turn to ask? It is every holder's once in the time of the shortest suspicion, before its end.
    const fn take_turn(&mut self, chases: u32) -> bool {
        self.chased += 1;
        self.is_own | (self.chased % chases == chases - 1)
    }
}

/// All suspects, and who died lately.
#[derive(Default)]
pub(super) struct Suspicions {
    open: BTreeMap<NodeId, Suspicion>,
    recent: BTreeMap<NodeId, Duration>,
    is_mass: bool,
}

impl Suspicions {
    pub(super) fn confirmations(&self, id: NodeId) -> u8 {
        self.open.get(&id).map_or(0, |open| u8::try_from(open.by.len()).unwrap_or(u8::MAX))
    }

    fn take_turn(&mut self, suspect: NodeId, chases: u32) -> bool {
        self.open.get_mut(&suspect).is_some_and(|open| open.take_turn(chases))
    }

    /// This node has its own reason to suspect it, and no other may have one.
    pub(super) fn keep_asking(&mut self, suspect: NodeId) {
        if let Some(open) = self.open.get_mut(&suspect) {
            open.is_own = true;
        }
    }
}

impl Core {
    /// A member is suspected from now on.
    pub(super) fn open_suspicion(&mut self, id: NodeId, by: Option<NodeId>) {
        let shortest = self.tuning.suspicion(self.size());
        let others = self.size().saturating_sub(2) as u32;
        let suspicion = Suspicion {
            started: self.now,
            shortest,
            longest: shortest.mul_f64(self.tuning.suspicion_max_mult),
            wanted: self.tuning.confirmations.min(others / CONFIRMERS),
            by: by.into_iter().collect(),
            refused: false,
            is_own: false,
            chased: 0,
        };
        self.suspicions.open.insert(id, suspicion);
        self.review_mass();
        self.set_suspicion_timer(id);
        if let Some(pause) = self.chase_pause(id) {
            self.timers.set(Timer::Chase(id), self.now + pause);
        }
    }

    pub(super) fn close_suspicion(&mut self, id: NodeId) {
        self.timers.cancel(Timer::Chase(id));
        self.timers.cancel(Timer::Suspicion(id));
        self.suspicions.open.remove(&id);
    }

    fn set_suspicion_timer(&mut self, id: NodeId) {
        if let Some(deadline) = self.death_of(id) {
            self.timers.set(Timer::Suspicion(id), deadline.max(self.now));
        }
    }

    /// When a suspect is declared dead as things are.
    pub(super) fn death_of(&self, id: NodeId) -> Option<Duration> {
        let open = self.suspicions.open.get(&id)?;
        let lasts = match (open.refused, self.suspicions.is_mass) {
            (true, _) => self.tuning.probe_timeout,
            (false, true) => open.longest * MASS_PATIENCE,
            (false, false) => open.lasts(),
        };
        Some(open.started + lasts)
    }

    /// One more member has found it silent. The news goes on while it still shortens suspicions.
    pub(super) fn confirm(&mut self, id: NodeId, by: NodeId) {
        let Some(open) = self.suspicions.open.get_mut(&id) else { return };
        if open.by.contains(&by) || open.by.len() > open.wanted as usize {
            return;
        }
        open.by.push(by);
        if let Some(peer) = self.table.get_mut(id) {
            peer.by = Some(by);
        }
        self.queue.push(id, Manner::Brief);
        self.set_suspicion_timer(id);
    }

    /// Is it the suspicion that is held already, told by another?
    pub(super) fn confirms(&self, record: &Record) -> Option<NodeId> {
        let held = self.table.get(record.id)?;
        let same = (held.generation, held.incarnation, held.state, record.state)
            == (record.generation, record.incarnation, State::Suspect, State::Suspect);
        record.by.filter(|_| same)
    }

    /// Nobody listens where a suspect was.
    pub(super) fn shorten(&mut self, id: NodeId) {
        let now = self.now;
        let Some(open) = self.suspicions.open.get_mut(&id).filter(|open| !open.refused) else { return };
        open.refused = true;
        open.started = now;
        self.set_suspicion_timer(id);
    }

    /// The suspect was heard of in another way; only it can end the suspicion, so it gets more time.
    pub(super) fn restart_suspicion(&mut self, id: NodeId) {
        let now = self.now;
        let Some(open) = self.suspicions.open.get_mut(&id) else { return };
        open.started = now;
        open.refused = false;
        self.set_suspicion_timer(id);
    }

    pub(super) fn declare_dead(&mut self, id: NodeId) {
        let Some(deadline) = self.death_of(id) else { return };
        match self.now >= deadline {
            true => self.find(id, State::Dead),
            false => self.timers.set(Timer::Suspicion(id), deadline),
        }
    }

    fn chase_pause(&self, id: NodeId) -> Option<Duration> {
        let open = self.suspicions.open.get(&id)?;
        open.shortest.checked_div(self.tuning.chases)
    }

    /// While a member is suspected, a few holders of the suspicion ask it again, so that it can refute in time. Who
    /// suspects it by itself always does: it may be the only holder that is left, after a cut for one. Every holder does
    /// in its turn, before it may declare it dead: the refutation may have missed it.
    pub(super) fn chase(&mut self, id: NodeId) {
        let Some(pause) = self.chase_pause(id) else { return };
        self.timers.set(Timer::Chase(id), self.now + pause);
        let share = CHASERS / self.size() as f64;
        let is_drawn = self.rng.random_bool(share.min(1.0));
        if is_drawn | self.suspicions.take_turn(id, self.tuning.chases) {
            self.send_to_member(id, Message::Ping { seq: SEQ_UNWATCHED }, &[id]);
        }
        if is_drawn {
            self.dial(id, SEQ_UNWATCHED);
        }
    }

    pub(super) fn note_death(&mut self, id: NodeId) {
        self.suspicions.recent.insert(id, self.now);
        self.review_mass();
    }

    /// Are more than a third of the members silent at once?
    pub(super) fn review_mass(&mut self) {
        let window = self.tuning.suspicion(self.size()).mul_f64(self.tuning.suspicion_max_mult);
        let now = self.now;
        self.suspicions.recent.retain(|_, at| now < *at + window);
        let silent = self.suspicions.open.len() + self.suspicions.recent.len();
        let members = self.size() + self.suspicions.recent.len();
        let is_mass = members > MASS_FREE && silent * MASS_SHARE > members;
        if is_mass != self.suspicions.is_mass {
            self.set_mass(is_mass, (silent as u32, members as u32));
        }
    }

    fn set_mass(&mut self, is_mass: bool, (silent, members): (u32, u32)) {
        self.suspicions.is_mass = is_mass;
        self.emit(Event::MassSuspicion { silent, members, over: !is_mass });
        match is_mass {
            true => self.fall_ill(1),
            false => self.renew_suspicions(),
        }
        let suspects: Vec<_> = self.suspicions.open.keys().copied().collect();
        suspects.into_iter().for_each(|id| self.set_suspicion_timer(id));
    }

    /// Whoever is still suspected after a mass suspicion gets the time that any suspect has.
    fn renew_suspicions(&mut self) {
        let now = self.now;
        self.suspicions.open.values_mut().filter(|open| !open.refused).for_each(|open| open.started = now);
    }

    /// Are so many members silent at once that this node doubts itself?
    pub fn is_mass_suspicion(&self) -> bool {
        self.suspicions.is_mass
    }
}
