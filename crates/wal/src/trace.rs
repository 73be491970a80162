//! What is on disk for one group: the replay of its records, with the place of each live one.

use std::collections::BTreeMap;

use crate::{
    Entry, GroupKey, LogId, Vote,
    format::{Op, Record},
    usage::{Kept, Place, Usage},
};

/// One group as its durable records tell it.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) created: Option<Kept<()>>,
    pub(crate) vote: Option<Kept<Vote>>,
    pub(crate) purged: Option<Kept<LogId>>,
    pub(crate) committed: Option<Kept<LogId>>,
    pub(crate) entries: BTreeMap<u64, Kept<Entry>>,
}

impl Trace {
    pub(crate) fn apply(&mut self, op: Op, place: Place, usage: &mut Usage) {
        match op {
            Op::Entry(entry) => self.put(entry, place, usage),
            Op::Copy(entry) => self.fill(entry, place, usage),
            Op::Vote(vote) => usage.replace(&mut self.vote, vote, place),
            Op::Truncate(from) => self.truncate(from, usage),
            Op::Purge(id) => self.purge(id, place, usage),
            Op::Committed(id) => usage.replace(&mut self.committed, id, place),
            Op::Create => usage.replace(&mut self.created, (), place),
            Op::Tombstone => {}
        }
    }

    fn put(&mut self, entry: Entry, place: Place, usage: &mut Usage) {
        self.truncate(entry.id.index, usage);
        self.fill(entry, place, usage);
    }

    fn fill(&mut self, entry: Entry, place: Place, usage: &mut Usage) {
        let index = entry.id.index;
        let old = self.entries.insert(index, usage.hold(entry, place));
        usage.release_all(old);
    }

    fn truncate(&mut self, from: u64, usage: &mut Usage) {
        usage.release_all(self.entries.split_off(&from).into_values());
    }

    fn purge(&mut self, id: LogId, place: Place, usage: &mut Usage) {
        let stays = self.entries.split_off(&id.index.saturating_add(1));
        let gone = std::mem::replace(&mut self.entries, stays);
        usage.release_all(gone.into_values());
        usage.replace(&mut self.purged, id, place);
    }

    /// The group is gone.
    pub(crate) fn release(self, usage: &mut Usage) {
        usage.release_all(self.created);
        usage.release_all(self.vote);
        usage.release_all(self.purged);
        usage.release_all(self.committed);
        usage.release_all(self.entries.into_values());
    }

    /// Copies of all live records in `segment`; replaying them again changes nothing but their place.
    pub(crate) fn copies(&self, key: GroupKey, segment: u64, out: &mut Vec<Record>) {
        let mut push = |place: Place, op: &dyn Fn() -> Op| {
            if place.segment == segment {
                out.push(Record { key, op: op() });
            }
        };
        self.created.iter().for_each(|kept| push(kept.place, &|| Op::Create));
        self.vote.iter().for_each(|kept| push(kept.place, &|| Op::Vote(kept.value)));
        self.purged.iter().for_each(|kept| push(kept.place, &|| Op::Purge(kept.value)));
        self.committed.iter().for_each(|kept| push(kept.place, &|| Op::Committed(kept.value)));
        self.entries.values().for_each(|kept| push(kept.place, &|| Op::Copy(kept.value.clone())));
    }

    /// The segment of a record that cannot be without one that is not there: everything needs the group's creation, and
    /// each entry the one before it, down to what was purged.
    pub(crate) fn gap(&self) -> Option<u64> {
        match self.created {
            Some(_) => self.entry_gap(),
            None => Some(self.segments().min().unwrap_or_default()),
        }
    }

    fn entry_gap(&self) -> Option<u64> {
        let mut before = self.purged.as_ref().map(|kept| kept.value.index);
        for (index, kept) in &self.entries {
            if before.is_some_and(|before| before.checked_add(1) != Some(*index)) {
                return Some(kept.place.segment);
            }
            before = Some(*index);
        }
        None
    }

    fn segments(&self) -> impl Iterator<Item = u64> {
        let vote = self.vote.iter().map(|kept| kept.place);
        let ids = self.purged.iter().chain(&self.committed).map(|kept| kept.place);
        vote.chain(ids).chain(self.entries.values().map(|kept| kept.place)).map(|place| place.segment)
    }
}
