//! What is on disk for all groups. Recovery and the writer build it with the same code, record by record in log order.

use std::collections::BTreeMap;

use crate::{
    GroupKey,
    format::{Op, Record},
    trace::Trace,
    usage::{Place, Usage},
};

/// The durable state of every group.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    groups: BTreeMap<GroupKey, Trace>,
    /// Closed lives of groups, and the segment of the record that closed each; kept as long as that segment, because an
    /// older segment may still hold records of that life.
    closed: BTreeMap<GroupKey, u64>,
    usage: Usage,
}

impl Ledger {
    pub(crate) fn apply(&mut self, record: Record, segment: u64) {
        let place = Place { segment, bytes: record.bytes() as u64 };
        match record.op {
            Op::Create => self.create(record.key, place),
            Op::Tombstone => self.close(record.key, segment),
            op => self.change(record.key, op, place),
        }
    }

    fn create(&mut self, key: GroupKey, place: Place) {
        let lower: Vec<_> = self.groups.range(lives_below(key)).map(|(key, _)| *key).collect();
        lower.into_iter().for_each(|key| self.close(key, place.segment));
        self.closed.remove(&key);
        self.change(key, Op::Create, place);
    }

    fn close(&mut self, key: GroupKey, segment: u64) {
        self.closed.insert(key, segment);
        if let Some(trace) = self.groups.remove(&key) {
            trace.release(&mut self.usage);
        }
    }

    fn change(&mut self, key: GroupKey, op: Op, place: Place) {
        if self.closed.contains_key(&key) {
            return;
        }
        self.groups.entry(key).or_default().apply(op, place, &mut self.usage);
    }

    /// Forgets a deleted segment; gives back the closed lives of which nothing is on disk any more.
    pub(crate) fn forget_segment(&mut self, segment: u64) -> Vec<GroupKey> {
        self.closed.extract_if(.., |_, closed_in| *closed_in <= segment).map(|(key, _)| key).collect()
    }

    /// Copies of all live records in `segment`.
    pub(crate) fn copies(&self, segment: u64) -> Vec<Record> {
        let mut copies = Vec::new();
        self.groups.iter().for_each(|(key, trace)| trace.copies(*key, segment, &mut copies));
        copies
    }

    pub(crate) fn live(&self, segment: u64) -> u64 {
        self.usage.live(segment)
    }

    pub(crate) fn live_total(&self) -> u64 {
        self.usage.total()
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = (&GroupKey, &Trace)> {
        self.groups.iter()
    }

    pub(crate) fn closed(&self) -> impl Iterator<Item = GroupKey> {
        self.closed.keys().copied()
    }
}

/// All lower incarnations of the same group.
pub(crate) fn lives_below(key: GroupKey) -> std::ops::Range<GroupKey> {
    GroupKey { incarnation: 0, ..key }..key
}
