//! What one record says.

use bytes::Bytes;

use crate::{Entry, GroupKey, LogId, Vote};

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
    Committed(LogId),
    /// The group exists, and every lower incarnation of it is gone.
    Create,
    /// The group is gone.
    Tombstone,
}

impl Record {
    /// What this record adds to a batch, bytes.
    pub(crate) fn bytes(&self) -> usize {
        ROW_BYTES + FRAME_BYTES + self.op.payload().len()
    }
}

impl Op {
    pub(crate) fn tag(&self) -> u8 {
        match self {
            Op::Entry(_) => 1,
            Op::Vote(_) => 2,
            Op::Truncate(_) => 3,
            Op::Purge(_) => 4,
            Op::Committed(_) => 6,
            Op::Create => 7,
            Op::Tombstone => 8,
            Op::Copy(_) => 9,
        }
    }

    /// The log id that stands in the row and the frame; a vote's node stands in the place of the index.
    pub(crate) fn id(&self) -> LogId {
        match self {
            Op::Entry(entry) | Op::Copy(entry) => entry.id,
            Op::Vote(vote) => LogId { term: vote.term, origin: 0, index: vote.node },
            Op::Truncate(from) => LogId { index: *from, ..LogId::default() },
            Op::Purge(id) | Op::Committed(id) => *id,
            Op::Create | Op::Tombstone => LogId::default(),
        }
    }

    pub(crate) fn payload(&self) -> &[u8] {
        match self {
            Op::Entry(entry) | Op::Copy(entry) => &entry.payload,
            Op::Vote(vote) => vote_payload(vote.committed),
            _ => &[],
        }
    }

    /// The inverse of `tag`, `id` and `payload`; none when this version knows no such record.
    pub(crate) fn from_parts(tag: u8, id: LogId, payload: &[u8]) -> Option<Op> {
        Some(match tag {
            1 => Op::Entry(Entry { id, payload: Bytes::copy_from_slice(payload) }),
            2 => Op::Vote(Vote { term: id.term, node: id.index, committed: vote_committed(payload)? }),
            3 => Op::Truncate(id.index),
            4 => Op::Purge(id),
            6 => Op::Committed(id),
            7 => Op::Create,
            8 => Op::Tombstone,
            9 => Op::Copy(Entry { id, payload: Bytes::copy_from_slice(payload) }),
            _ => return None,
        })
    }
}

fn vote_payload(committed: bool) -> &'static [u8] {
    match committed {
        true => &[1],
        false => &[0],
    }
}

fn vote_committed(payload: &[u8]) -> Option<bool> {
    match payload {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}
