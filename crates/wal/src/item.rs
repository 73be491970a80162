//! What one call of a group gives to the writer.

use std::sync::{Arc, atomic::Ordering};

use crate::{
    Done,
    format::{HEAD_BYTES, Record, block_up},
    gate::Load,
    view::GroupCell,
    waiter::Waiter,
};

/// How an item is admitted and whether the writer wakes for it.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Lane {
    /// Refused when the queue is full.
    Normal,
    /// Not refused while there is room on disk: at most a few per group, because its owner waits for each.
    Reserved,
    /// Never refused, written with whatever comes next.
    Lazy,
}

/// Most calls bring one record: that takes no memory of its own.
pub(crate) enum Records {
    One(Record),
    Many(Vec<Record>),
}

impl Records {
    pub(crate) fn as_slice(&self) -> &[Record] {
        match self {
            Records::One(record) => std::slice::from_ref(record),
            Records::Many(records) => records,
        }
    }
}

impl From<Record> for Records {
    fn from(record: Record) -> Self {
        Records::One(record)
    }
}

impl From<Vec<Record>> for Records {
    fn from(records: Vec<Record>) -> Self {
        Records::Many(records)
    }
}

/// Records that become durable together, and who waits for that.
pub(crate) struct Item {
    records: Records,
    pub(crate) waiter: Waiter,
    /// The group that appended, and the number of its append.
    append: Option<(Arc<GroupCell>, u64)>,
    lane: Lane,
    bytes: usize,
}

impl Item {
    pub(crate) fn new(lane: Lane, records: impl Into<Records>, done: Option<Done>) -> Self {
        let records = records.into();
        let bytes = records.as_slice().iter().map(Record::bytes).sum();
        Self { records, waiter: Waiter::new(done), append: None, lane, bytes }
    }

    /// Entries of one group.
    pub(crate) fn append(cell: &Arc<GroupCell>, stamp: u64, records: Records, done: Done) -> Self {
        Self { append: Some((cell.clone(), stamp)), ..Self::new(Lane::Normal, records, Some(done)) }
    }

    pub(crate) fn records(&self) -> &[Record] {
        self.records.as_slice()
    }

    pub(crate) fn lane(&self) -> Lane {
        self.lane
    }

    /// It is durable: its group has it waiting no longer. Gives back the group that appended, and the number of its append.
    pub(crate) fn settle(self) -> Option<(Arc<GroupCell>, u64)> {
        self.leave();
        self.append
    }

    pub(crate) fn weight(&self) -> Load {
        // What it takes on disk if nothing else shares its batch.
        let room = block_up(self.bytes + HEAD_BYTES) as u64;
        Load { records: self.records().len(), bytes: self.bytes, room }
    }

    /// Bytes of the same group that are not durable yet.
    pub(crate) fn queued(&self) -> usize {
        self.append.as_ref().map_or(0, |(cell, _)| cell.queued.load(Ordering::Acquire))
    }

    /// Its group has it waiting.
    pub(crate) fn enter(&self) {
        if let Some((cell, _)) = &self.append {
            cell.queued.fetch_add(self.bytes, Ordering::AcqRel);
        }
    }

    /// Its group has it waiting no longer.
    pub(crate) fn leave(&self) {
        if let Some((cell, _)) = &self.append {
            cell.queued.fetch_sub(self.bytes, Ordering::AcqRel);
        }
    }
}
