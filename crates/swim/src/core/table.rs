//! What is believed about the others, and how beliefs are merged: per process the higher (incarnation, state) wins,
//! the higher metadata version wins, and a higher generation is another process that wins over all before it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use muster_wire::{Generation, NodeId};

use crate::body::Record;
use crate::frame::{Alias, Sender};
use crate::model::{LeaveReason, Member, Meta, State};

/// Members known at the same time; more are not taken in.
pub const MEMBERS_MAX: usize = 16_384;
/// A belief that is further ahead is not believed: nobody refutes that often at once, and a forged one near the end
/// of the numbers could never be refuted.
pub(super) const INCARNATION_JUMP_MAX: u32 = 1 << 16;

/// The belief about one node.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) generation: Generation,
    pub(crate) incarnation: u32,
    pub(crate) state: State,
    pub(crate) reason: Option<LeaveReason>,
    /// Who found it silent, the latest heard of.
    pub(crate) by: Option<NodeId>,
    pub(crate) meta_version: u32,
    pub(crate) meta: Arc<Meta>,
    pub(crate) since: Duration,
    pub(crate) rtt: Option<Duration>,
    /// It has answered as one who knows this process: the alias is enough.
    pub(crate) knows_me: bool,
    /// When it was last told that it is held dead.
    pub(crate) told_at: Option<Duration>,
}

impl Peer {
    pub(super) fn new(record: &Record, meta: Arc<Meta>, now: Duration) -> Self {
        Self {
            generation: record.generation,
            incarnation: record.incarnation,
            state: record.state,
            reason: record.reason,
            by: record.by,
            meta_version: record.meta_version,
            meta,
            since: now,
            rtt: None,
            knows_me: false,
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
            since: self.since,
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
            meta_version: self.meta_version,
            by: self.by.filter(|_| matches!(self.state, State::Suspect | State::Dead)),
            reason: self.reason,
            meta: None,
        }
    }

    /// The belief with metadata, for those who may not know the process.
    pub(crate) fn full(&self, id: NodeId) -> Record {
        Record { meta: Some(self.meta.clone()), ..self.brief(id) }
    }

    fn advance_meta(&mut self, record: &Record) -> Option<u32> {
        let newer = record.meta.as_ref().filter(|_| record.meta_version > self.meta_version)?;
        self.meta = newer.clone();
        Some(std::mem::replace(&mut self.meta_version, record.meta_version))
    }

    fn advance_state(&mut self, record: &Record, now: Duration) -> bool {
        if (record.incarnation, record.state) <= (self.incarnation, self.state) {
            return false;
        }
        if self.state != record.state {
            self.since = now;
        }
        self.incarnation = record.incarnation;
        self.state = record.state;
        self.reason = record.reason;
        self.by = record.by;
        true
    }
}

/// What was believed before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Before {
    pub(crate) generation: Generation,
    pub(crate) incarnation: u32,
    pub(crate) state: State,
    pub(crate) since: Duration,
}

impl Before {
    const fn of(peer: &Peer) -> Self {
        let Peer { generation, incarnation, state, since, .. } = *peer;
        Self { generation, incarnation, state, since }
    }
}

/// What a record has done to the table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Merge {
    /// Nothing new.
    Ignored,
    /// It holds a process alive that is known to be dead or to have left.
    Stale,
    /// The belief changed.
    Changed(Change),
}

/// How a belief changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    /// `None`: the node was not known.
    pub(crate) before: Option<Before>,
    /// More than the metadata changed.
    pub(crate) moved: bool,
    /// The version of the metadata that was replaced.
    pub(crate) meta_before: Option<u32>,
}

#[derive(Default)]
pub(crate) struct Table {
    peers: BTreeMap<NodeId, Peer>,
    /// Those that are alive or suspect, sorted.
    live: Vec<NodeId>,
    aliases: BTreeMap<Alias, Sender>,
}

impl Table {
    pub(crate) fn get(&self, id: NodeId) -> Option<&Peer> {
        self.peers.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: NodeId) -> Option<&mut Peer> {
        self.peers.get_mut(&id)
    }

    /// The process that an alias stands for.
    pub(crate) fn by_alias(&self, alias: Alias) -> Option<Sender> {
        self.aliases.get(&alias).copied()
    }

    pub(crate) fn forget(&mut self, id: NodeId) {
        let forgotten = self.peers.remove(&id);
        forgotten.and_then(|peer| self.aliases.remove(&sender(id, &peer).alias()));
        self.index(id);
    }

    /// All, in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.peers.iter().map(|(id, peer)| (*id, peer))
    }

    /// Those that are alive or suspect, sorted.
    pub(crate) fn live(&self) -> &[NodeId] {
        &self.live
    }

    pub(crate) fn is_live(&self, id: NodeId) -> bool {
        self.get(id).is_some_and(|peer| peer.state.is_live())
    }

    /// Merges one belief in.
    pub(crate) fn merge(&mut self, record: &Record, now: Duration) -> Merge {
        let merged = self.merge_one(record, now);
        if let Merge::Changed(Change { moved: true, .. }) = merged {
            self.index(record.id);
        }
        merged
    }

    fn merge_one(&mut self, record: &Record, now: Duration) -> Merge {
        let Some(peer) = self.peers.get_mut(&record.id) else { return self.adopt(record, now) };
        match record.generation.cmp(&peer.generation) {
            std::cmp::Ordering::Less => Merge::Ignored,
            std::cmp::Ordering::Equal => advance(peer, record, now),
            std::cmp::Ordering::Greater => self.replace(record, now),
        }
    }

    /// A node not heard of before. The dead are not taken in: they would wander from table to table for ever.
    fn adopt(&mut self, record: &Record, now: Duration) -> Merge {
        let Some(meta) = record.meta.clone().filter(|_| record.state.is_live()) else {
            return Merge::Ignored;
        };
        if self.peers.len() >= MEMBERS_MAX {
            return Merge::Ignored;
        }
        self.put(record, meta, now);
        Merge::Changed(Change { before: None, moved: true, meta_before: None })
    }

    /// Another process of the same node: the one before is gone, whatever was believed about it.
    fn replace(&mut self, record: &Record, now: Duration) -> Merge {
        let Some(peer) = self.peers.get(&record.id) else { return Merge::Ignored };
        let Some(meta) = meta_of_successor(peer, record) else { return Merge::Ignored };
        let before = Before::of(peer);
        self.aliases.remove(&sender(record.id, peer).alias());
        self.put(record, meta, now);
        Merge::Changed(Change { before: Some(before), moved: true, meta_before: None })
    }

    fn put(&mut self, record: &Record, meta: Arc<Meta>, now: Duration) {
        let peer = Peer::new(record, meta, now);
        let sender = sender(record.id, &peer);
        self.aliases.insert(sender.alias(), sender);
        self.peers.insert(record.id, peer);
    }

    /// Keeps `live` as the table says.
    fn index(&mut self, id: NodeId) {
        match (self.live.binary_search(&id), self.is_live(id)) {
            (Err(at), true) => self.live.insert(at, id),
            (Ok(at), false) => drop(self.live.remove(at)),
            _ => (),
        }
    }
}

const fn sender(id: NodeId, peer: &Peer) -> Sender {
    Sender { id, generation: peer.generation }
}

/// Another belief about the same process.
fn advance(peer: &mut Peer, record: &Record, now: Duration) -> Merge {
    if record.incarnation > peer.incarnation.saturating_add(INCARNATION_JUMP_MAX) {
        return Merge::Ignored;
    }
    let before = Before::of(peer);
    let meta_before = peer.advance_meta(record);
    let moved = peer.advance_state(record, now);
    match moved | meta_before.is_some() {
        true => Merge::Changed(Change { before: Some(before), moved, meta_before }),
        false => unchanged(record, peer),
    }
}

fn unchanged(record: &Record, peer: &Peer) -> Merge {
    match (record.state.is_live(), peer.state.is_live()) {
        (true, false) => Merge::Stale,
        _ => Merge::Ignored,
    }
}

/// A live successor is nothing without its addresses; for a dead one the old ones do.
fn meta_of_successor(peer: &Peer, record: &Record) -> Option<Arc<Meta>> {
    match record.state.is_live() {
        true => record.meta.clone(),
        false => Some(record.meta.clone().unwrap_or_else(|| peer.meta.clone())),
    }
}
