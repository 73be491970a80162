//! What one record says.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{Entry, GroupKey, LogId, Snapshot, Vote};

/// Bytes of a record's frame before its payload: crc, length, term, index.
pub(crate) const FRAME_BYTES: usize = 24;
/// Bytes of a record's row in the batch's table.
pub(crate) const ROW_BYTES: usize = 48;

/// One change to one group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Record {
    pub(crate) key: GroupKey,
    pub(crate) op: Op,
}

/// What changes. The tags on disk are in [`Op::tag`] and are never reused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Op {
    /// A new entry at the end; everything at or above its index is gone.
    Entry(Entry),
    /// A live entry copied to the tail: it fills its own place and removes nothing.
    Copy(Entry),
    Vote(Vote),
    /// Entries at or above this index are gone.
    Truncate(u64),
    /// Entries up to and including this one are gone.
    Purge(LogId),
    /// A snapshot of the group exists.
    Snapshot(Snapshot),
    Committed(LogId),
    /// The group exists, and every lower incarnation of it is gone.
    Create,
    /// The group is gone.
    Tombstone,
    /// Everything of a live group but its entries, copied to the tail.
    State(Box<State>),
    /// Nothing happened to any group: the batch before this one is whole.
    Seal,
    /// The group left memory; it is due at this time, unix ms, if ever.
    Evict(Option<u64>),
    /// Records of this life were damaged, the last of them at this index: it can never be used again.
    Damaged(u64),
    /// Never written: a record of this kind stood here, but its payload is damaged.
    Hurt(u8, LogId),
}

/// What a group is, its entries aside.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct State {
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogId>,
    pub(crate) committed: Option<LogId>,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) evicted: Option<Option<u64>>,
}

/// Whose record a seal is: no group's.
pub(crate) const NOBODY: GroupKey = GroupKey { group: u64::MAX, incarnation: u32::MAX };

pub(crate) const ENTRY: u8 = 1;
const VOTE: u8 = 2;
const TRUNCATE: u8 = 3;
const PURGE: u8 = 4;
const SNAPSHOT: u8 = 5;
const COMMITTED: u8 = 6;
const CREATE: u8 = 7;
const TOMBSTONE: u8 = 8;
pub(crate) const COPY: u8 = 9;
pub(crate) const STATE: u8 = 10;
const SEAL: u8 = 11;
const EVICT: u8 = 12;
const DAMAGED: u8 = 13;
const NEVER_DUE: u64 = u64::MAX;

impl Record {
    /// What this record adds to a batch, bytes.
    pub(crate) fn bytes(&self) -> usize {
        ROW_BYTES + FRAME_BYTES + self.op.payload_len()
    }
}

impl Op {
    pub(crate) fn tag(&self) -> u8 {
        match self {
            Op::Entry(_) => ENTRY,
            Op::Vote(_) => VOTE,
            Op::Truncate(_) => TRUNCATE,
            Op::Purge(_) => PURGE,
            Op::Snapshot(_) => SNAPSHOT,
            Op::Committed(_) => COMMITTED,
            Op::Create => CREATE,
            Op::Tombstone => TOMBSTONE,
            Op::Copy(_) => COPY,
            Op::State(_) => STATE,
            Op::Seal => SEAL,
            Op::Evict(_) => EVICT,
            Op::Damaged(_) => DAMAGED,
            Op::Hurt(tag, _) => *tag,
        }
    }

    /// The log id that stands in the row and the frame; a vote's node stands in the place of the index.
    pub(crate) fn id(&self) -> LogId {
        match self {
            Op::Entry(entry) | Op::Copy(entry) => entry.id,
            Op::Vote(vote) => LogId { term: vote.term, origin: 0, index: vote.node },
            Op::Truncate(from) => at_index(*from),
            Op::Purge(id) | Op::Committed(id) | Op::Hurt(_, id) => *id,
            Op::Snapshot(snapshot) => snapshot.id,
            Op::Evict(due_ms) => at_index(due_ms.unwrap_or(NEVER_DUE)),
            Op::Damaged(last) => at_index(*last),
            Op::Create | Op::Tombstone | Op::Seal | Op::State(_) => LogId::default(),
        }
    }

    fn payload_len(&self) -> usize {
        match self {
            Op::Entry(entry) | Op::Copy(entry) => entry.payload.len(),
            Op::Snapshot(snapshot) => snapshot.meta.len(),
            Op::State(state) => state.encoded_len(),
            Op::Vote(_) => 1,
            _ => 0,
        }
    }

    pub(crate) fn put_payload(&self, out: &mut Vec<u8>) {
        match self {
            Op::Entry(entry) | Op::Copy(entry) => out.put_slice(&entry.payload),
            Op::Snapshot(snapshot) => out.put_slice(&snapshot.meta),
            Op::State(state) => state.encode(out),
            Op::Vote(vote) => out.put_u8(vote.committed.into()),
            _ => {}
        }
    }

    /// The inverse of `tag`, `id` and the payload, but for an entry's payload, which stays on disk; none when this
    /// version knows no such record.
    pub(crate) fn from_parts(tag: u8, id: LogId, payload: &[u8]) -> Option<Op> {
        Some(match tag {
            ENTRY => Op::Entry(Entry { id, payload: Bytes::new() }),
            COPY => Op::Copy(Entry { id, payload: Bytes::new() }),
            VOTE => Op::Vote(Vote { term: id.term, node: id.index, committed: bool_from(payload)? }),
            SNAPSHOT => Op::Snapshot(Snapshot { id, meta: Bytes::copy_from_slice(payload) }),
            STATE => Op::State(Box::new(State::decode(payload)?)),
            _ => return Op::from_row(tag, id),
        })
    }

    /// A record without a payload: its row says everything.
    pub(crate) fn from_row(tag: u8, id: LogId) -> Option<Op> {
        Some(match tag {
            TRUNCATE => Op::Truncate(id.index),
            PURGE => Op::Purge(id),
            COMMITTED => Op::Committed(id),
            CREATE => Op::Create,
            TOMBSTONE => Op::Tombstone,
            SEAL => Op::Seal,
            EVICT => Op::Evict((id.index != NEVER_DUE).then_some(id.index)),
            DAMAGED => Op::Damaged(id.index),
            _ => return None,
        })
    }

    /// Whether records of this kind carry a payload.
    pub(crate) fn has_payload(tag: u8) -> bool {
        [ENTRY, COPY, VOTE, SNAPSHOT, STATE].contains(&tag)
    }
}

fn at_index(index: u64) -> LogId {
    LogId { index, ..LogId::default() }
}

fn bool_from(payload: &[u8]) -> Option<bool> {
    match payload {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

const HAS_VOTE: u8 = 1;
const HAS_PURGED: u8 = 2;
const HAS_COMMITTED: u8 = 4;
const HAS_SNAPSHOT: u8 = 8;
const HAS_EVICTED: u8 = 16;

/// One byte says which parts follow; the snapshot's bytes come last.
impl State {
    fn flags(&self) -> u8 {
        let parts = [
            (self.vote.is_some(), HAS_VOTE),
            (self.purged.is_some(), HAS_PURGED),
            (self.committed.is_some(), HAS_COMMITTED),
            (self.snapshot.is_some(), HAS_SNAPSHOT),
            (self.evicted.is_some(), HAS_EVICTED),
        ];
        parts.iter().filter(|(there, _)| *there).map(|(_, flag)| flag).sum()
    }

    fn encoded_len(&self) -> usize {
        let ids = self.purged.iter().chain(&self.committed).count() * 24;
        let votes = self.vote.iter().count() * 17 + self.evicted.iter().count() * 8;
        1 + votes + ids + self.snapshot.as_ref().map_or(0, |snapshot| 24 + snapshot.meta.len())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.flags());
        self.vote.iter().for_each(|vote| {
            out.put_u64_le(vote.term);
            out.put_u64_le(vote.node);
            out.put_u8(vote.committed.into());
        });
        self.purged.iter().chain(&self.committed).for_each(|id| put_id(id, out));
        self.evicted.iter().for_each(|due_ms| out.put_u64_le(due_ms.unwrap_or(NEVER_DUE)));
        self.snapshot.iter().for_each(|snapshot| {
            put_id(&snapshot.id, out);
            out.put_slice(&snapshot.meta);
        });
    }

    fn decode(mut raw: &[u8]) -> Option<Self> {
        let flags = raw.try_get_u8().ok()?;
        let state = Self {
            vote: part(flags & HAS_VOTE, &mut raw, get_vote)?,
            purged: part(flags & HAS_PURGED, &mut raw, get_id)?,
            committed: part(flags & HAS_COMMITTED, &mut raw, get_id)?,
            evicted: part(flags & HAS_EVICTED, &mut raw, get_due)?,
            snapshot: part(flags & HAS_SNAPSHOT, &mut raw, get_snapshot)?,
        };
        (raw.is_empty() && flags < 2 * HAS_EVICTED).then_some(state)
    }
}

/// `Some(None)` when the part is not there, `None` when it is broken.
fn part<T>(flag: u8, raw: &mut &[u8], get: fn(&mut &[u8]) -> Option<T>) -> Option<Option<T>> {
    match flag {
        0 => Some(None),
        _ => get(raw).map(Some),
    }
}

fn put_id(id: &LogId, out: &mut Vec<u8>) {
    out.put_u64_le(id.term);
    out.put_u64_le(id.origin);
    out.put_u64_le(id.index);
}

fn get_id(raw: &mut &[u8]) -> Option<LogId> {
    let term = raw.try_get_u64_le().ok()?;
    let origin = raw.try_get_u64_le().ok()?;
    Some(LogId { term, origin, index: raw.try_get_u64_le().ok()? })
}

fn get_vote(raw: &mut &[u8]) -> Option<Vote> {
    let term = raw.try_get_u64_le().ok()?;
    let node = raw.try_get_u64_le().ok()?;
    Some(Vote { term, node, committed: bool_from(&[raw.try_get_u8().ok()?])? })
}

fn get_due(raw: &mut &[u8]) -> Option<Option<u64>> {
    let due_ms = raw.try_get_u64_le().ok()?;
    Some((due_ms != NEVER_DUE).then_some(due_ms))
}

fn get_snapshot(raw: &mut &[u8]) -> Option<Snapshot> {
    let id = get_id(raw)?;
    let mut meta = BytesMut::new();
    meta.put_slice(std::mem::take(raw));
    Some(Snapshot { id, meta: meta.freeze() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> State {
        let id = |index| LogId { term: 3, origin: 9, index };
        State {
            vote: Some(Vote { term: 4, node: 7, committed: true }),
            purged: Some(id(5)),
            committed: Some(id(8)),
            snapshot: Some(Snapshot { id: id(6), meta: Bytes::from_static(b"meta") }),
            evicted: Some(Some(77)),
        }
    }

    fn encoded(state: &State) -> Vec<u8> {
        let mut out = Vec::new();
        state.encode(&mut out);
        assert_eq!(out.len(), state.encoded_len());
        out
    }

    #[test]
    fn a_states_parts_come_back_as_they_were() {
        let whole = full();
        let parts = [
            State::default(),
            State { vote: whole.vote, ..State::default() },
            State { evicted: Some(None), purged: whole.purged, ..State::default() },
            whole,
        ];
        for state in parts {
            assert_eq!(State::decode(&encoded(&state)), Some(state));
        }
    }

    #[test]
    fn a_state_cut_short_or_with_unknown_parts_is_refused() {
        let raw = encoded(&State { snapshot: None, ..full() });
        (0..raw.len()).for_each(|cut| assert_eq!(State::decode(&raw[..cut]), None, "cut at {cut}"));
        let mut unknown = raw;
        unknown[0] |= 32;
        assert_eq!(State::decode(&unknown), None);
    }
}
