//! What is believed about the others, and how beliefs are merged: per process the higher (incarnation, state) wins,
//! the higher metadata version wins, and a higher generation is another process that wins over all before it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use muster_wire::{Generation, NodeId};

use crate::model::{Event, LeaveReason, Member, Meta, State};
use crate::packet::Record;

/// Members known at the same time; more are not taken in.
pub const MEMBERS_MAX: usize = 16_384;

/// The belief about one node.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) generation: Generation,
    pub(crate) incarnation: u32,
    pub(crate) state: State,
    pub(crate) reason: Option<LeaveReason>,
    pub(crate) meta_version: u32,
    pub(crate) meta: Arc<Meta>,
    pub(crate) rtt: Option<Duration>,
    /// When it was last told that it is held dead.
    pub(crate) told_at: Option<Duration>,
}

impl Peer {
    fn new(record: &Record, meta: Arc<Meta>) -> Self {
        Self {
            generation: record.generation,
            incarnation: record.incarnation,
            state: record.state,
            reason: record.reason,
            meta_version: record.meta_version,
            meta,
            rtt: None,
            told_at: None,
        }
    }

    pub(crate) fn member(&self, id: NodeId) -> Member {
        Member {
            id,
            generation: self.generation,
            incarnation: self.incarnation,
            state: self.state,
            meta: self.meta.clone(),
            meta_version: self.meta_version,
            rtt: self.rtt,
        }
    }

    /// The belief without metadata, for those who know it.
    pub(crate) fn brief(&self, id: NodeId) -> Record {
        Record {
            id,
            generation: self.generation,
            incarnation: self.incarnation,
            state: self.state,
            reason: self.reason,
            meta_version: self.meta_version,
            meta: None,
        }
    }

    /// The belief with metadata, for those who may not know the process.
    pub(crate) fn full(&self, id: NodeId) -> Record {
        Record { meta: Some(self.meta.clone()), ..self.brief(id) }
    }

    fn advance_meta(&mut self, record: &Record) -> bool {
        let newer = record.meta.as_ref().filter(|_| record.meta_version > self.meta_version);
        let Some(meta) = newer else { return false };
        self.meta = meta.clone();
        self.meta_version = record.meta_version;
        true
    }

    fn advance_state(&mut self, record: &Record) -> bool {
        if (record.incarnation, record.state) <= (self.incarnation, self.state) {
            return false;
        }
        self.incarnation = record.incarnation;
        self.state = record.state;
        self.reason = record.reason;
        true
    }
}

/// What a record has done to the table.
#[derive(Debug)]
pub(crate) enum Merge {
    /// Nothing new.
    Ignored,
    /// It holds a process alive that is known to be dead or to have left.
    Stale,
    /// The belief changed; `moved` unless it was the metadata only.
    Changed { events: Vec<Event>, moved: bool },
}

#[derive(Default)]
pub(crate) struct Table {
    peers: BTreeMap<NodeId, Peer>,
}

impl Table {
    pub(crate) fn get(&self, id: NodeId) -> Option<&Peer> {
        self.peers.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: NodeId) -> Option<&mut Peer> {
        self.peers.get_mut(&id)
    }

    pub(crate) fn forget(&mut self, id: NodeId) {
        self.peers.remove(&id);
    }

    /// All, in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.peers.iter().map(|(id, peer)| (*id, peer))
    }

    /// Those that are alive or suspect.
    pub(crate) fn live(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.iter().filter(|(_, peer)| peer.state.is_live())
    }

    pub(crate) fn is_live(&self, id: NodeId) -> bool {
        self.get(id).is_some_and(|peer| peer.state.is_live())
    }

    /// Merges one belief in.
    pub(crate) fn merge(&mut self, record: &Record) -> Merge {
        let Some(peer) = self.peers.get_mut(&record.id) else { return self.adopt(record) };
        match record.generation.cmp(&peer.generation) {
            std::cmp::Ordering::Less => Merge::Ignored,
            std::cmp::Ordering::Equal => advance(peer, record),
            std::cmp::Ordering::Greater => replace(peer, record),
        }
    }

    /// A node not heard of before. The dead are not taken in: they would wander from table to table for ever.
    fn adopt(&mut self, record: &Record) -> Merge {
        let Some(meta) = record.meta.clone().filter(|_| record.state.is_live()) else {
            return Merge::Ignored;
        };
        if self.peers.len() >= MEMBERS_MAX {
            return Merge::Ignored;
        }
        let peer = Peer::new(record, meta);
        let events = birth(record.id, &peer);
        self.peers.insert(record.id, peer);
        Merge::Changed { events, moved: true }
    }
}

/// Another belief about the same process.
fn advance(peer: &mut Peer, record: &Record) -> Merge {
    let before = peer.state;
    let told = peer.advance_meta(record);
    let moved = peer.advance_state(record);
    let mut events = transition(record.id, before, peer);
    events.extend(update(record.id, peer).filter(|_| told && before.is_live()));
    match told || moved {
        true => Merge::Changed { events, moved },
        false => unchanged(record, peer),
    }
}

fn unchanged(record: &Record, peer: &Peer) -> Merge {
    match (record.state.is_live(), peer.state.is_live()) {
        (true, false) => Merge::Stale,
        _ => Merge::Ignored,
    }
}

/// Another process of the same node: the one before is gone, whatever was believed about it.
fn replace(peer: &mut Peer, record: &Record) -> Merge {
    let Some(meta) = meta_of_successor(peer, record) else { return Merge::Ignored };
    let mut events = Vec::new();
    if peer.state.is_live() {
        events.push(Event::Dead { id: record.id, generation: peer.generation });
    }
    *peer = Peer::new(record, meta);
    events.extend(birth(record.id, peer));
    Merge::Changed { events, moved: true }
}

/// A live successor is nothing without its addresses; for a dead one the old ones do.
fn meta_of_successor(peer: &Peer, record: &Record) -> Option<Arc<Meta>> {
    match record.state.is_live() {
        true => record.meta.clone(),
        false => Some(record.meta.clone().unwrap_or_else(|| peer.meta.clone())),
    }
}

fn update(id: NodeId, peer: &Peer) -> Option<Event> {
    peer.state.is_live().then(|| Event::Update { member: peer.member(id) })
}

/// The events of a process that is new in the view.
fn birth(id: NodeId, peer: &Peer) -> Vec<Event> {
    let generation = peer.generation;
    match peer.state {
        State::Alive => vec![Event::Join { member: peer.member(id) }],
        State::Suspect => vec![Event::Join { member: peer.member(id) }, Event::Suspect { id, generation }],
        State::Dead | State::Left => Vec::new(),
    }
}

fn transition(id: NodeId, before: State, peer: &Peer) -> Vec<Event> {
    let generation = peer.generation;
    let reason = peer.reason.unwrap_or(LeaveReason::Shutdown);
    match (before, peer.state) {
        (State::Alive, State::Suspect) => vec![Event::Suspect { id, generation }],
        (State::Suspect, State::Alive) => vec![Event::Alive { id, generation }],
        (State::Alive | State::Suspect, State::Dead) => vec![Event::Dead { id, generation }],
        (State::Alive | State::Suspect, State::Left) => vec![Event::Leave { id, generation, reason }],
        (State::Dead | State::Left, State::Alive | State::Suspect) => birth(id, peer),
        _ => Vec::new(),
    }
}
