//! Copies what still lives in an old segment to the tail, a little with each batch, so that the segment can go.

use crate::{
    Damage, Entry, GroupKey, LogId, ReadError,
    fault::{During, Fault},
    fetch::fetch,
    format::{Op, Record},
    ledger::Shelf,
    lock::lock,
    store::{Store, Tidied},
    trace::Trace,
};

/// Bytes of copies that go with one batch; one entry may be more.
const SLICE_BYTES: usize = 32 << 10;
/// Entries of one group that are copied at once.
const SLICE_ENTRIES: usize = 256;
/// Groups that are looked at for one batch: most of them may have nothing in the segment.
const SLICE_GROUPS: usize = 64;
/// A segment with less than this part of it alive is worth copying early, in percent.
const SPARSE_PERCENT: u64 = 30;
/// With less than this part of a whole segment alive it is copied although there is room, in percent: it holds all behind
/// it, and new segments have to be made for ever that could be used again.
const TRACES_PERCENT: u64 = 2;
/// But not before so many full segments are behind it: what dies soon is not copied. One, since what is freed at once then
/// finds room among the spares.
const FOLLOWERS: usize = 1;
/// Groups that are named at once as holding old segments.
const SLOW_MAX: usize = 64;

/// How far the copying of a segment is.
#[derive(Debug)]
pub(crate) struct Rewrite {
    segment: u64,
    /// Groups up to this one are done.
    after: Option<GroupKey>,
}

/// What to do about the oldest segment.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Plan {
    Wait,
    Copy,
    /// Only purges by the groups help.
    Ask,
}

/// Copies to write, and what was found damaged on the way.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    pub(crate) records: Vec<Record>,
    pub(crate) damaged: Vec<Damage>,
    bytes: usize,
    groups: usize,
}

impl Store {
    /// Decides whether the oldest segment is copied next; while nothing that could be copied frees enough, names the
    /// groups that hold it instead.
    pub(crate) fn plan_rewrite(&mut self, tidied: &mut Tidied) {
        let Some(segment) = self.oldest().filter(|_| self.rewrite.is_none()) else { return };
        let plan = self.plan_for(segment);
        self.space.set_over_budget(plan == Plan::Ask);
        match plan {
            Plan::Copy => self.rewrite = Some(Rewrite { segment, after: None }),
            Plan::Ask => tidied.slow = self.holders(segment),
            Plan::Wait => {}
        }
    }

    fn plan_for(&self, segment: u64) -> Plan {
        let over = self.bytes() > self.options.budget_bytes;
        let can = self.rewritten != Some(segment) && !self.space.is_last_segment();
        match (over, can && self.is_worth_it(), self.is_sparse(segment)) {
            (true, true, _) | (false, true, true) => Plan::Copy,
            (true, false, _) => Plan::Ask,
            _ => Plan::Wait,
        }
    }

    /// Copying frees enough while at least a quarter of all bytes is dead; else only a purge by the groups helps.
    fn is_worth_it(&self) -> bool {
        let total = self.bytes();
        total.saturating_sub(self.ledger.live_total()) >= total / 4
    }

    /// Little lives in it, and half of the budget is used; or next to nothing, and that seems to stay.
    fn is_sparse(&self, segment: u64) -> bool {
        let (live, bytes) =
            (self.ledger.live(segment), self.sealed.get(&segment).copied().unwrap_or_default());
        let half_used = self.bytes() > self.options.budget_bytes / 2;
        match (half_used, self.sealed.len() > FOLLOWERS) {
            (true, _) => live * 100 < bytes * SPARSE_PERCENT,
            (false, true) => live * 100 < self.options.segment_bytes * TRACES_PERCENT,
            (false, false) => false,
        }
    }

    /// The groups with the most entries in the segment.
    fn holders(&self, segment: u64) -> Vec<GroupKey> {
        let count = |shelf: &Shelf| lock(shelf).entries_in(segment, None).count();
        let shelves = self.ledger.shelves.all().into_iter();
        let mut by_count: Vec<_> =
            shelves.map(|(key, shelf)| (count(&shelf), key)).filter(|one| one.0 > 0).collect();
        by_count.sort_unstable_by(|one, other| other.cmp(one));
        by_count.into_iter().take(SLOW_MAX).map(|(_, key)| key).collect()
    }

    /// The next copies, to be written before anything else. Empty when there is nothing to copy.
    pub(crate) fn copies(&mut self) -> Result<Slice, Fault> {
        let mut slice = Slice::default();
        let Some(mut rewrite) = self.rewrite.take() else { return Ok(slice) };
        while slice.has_room() {
            let Some((key, shelf)) = self.ledger.shelves.next(rewrite.after) else {
                self.rewritten = Some(rewrite.segment);
                self.totals.copies += slice.records.len() as u64;
                return Ok(slice);
            };
            slice.groups += 1;
            match self.copy_group(&rewrite, (key, &shelf), &mut slice)? {
                true => rewrite.after = Some(key),
                // Where the rest of it is copied from shows when these copies are noted.
                false => slice.groups = SLICE_GROUPS,
            }
        }
        self.totals.copies += slice.records.len() as u64;
        self.rewrite = Some(rewrite);
        Ok(slice)
    }

    /// Whether nothing of the group is left in the segment once these copies are written.
    fn copy_group(
        &self,
        rewrite: &Rewrite,
        (key, shelf): (GroupKey, &Shelf),
        slice: &mut Slice,
    ) -> Result<bool, Fault> {
        let (wanted, heads) = {
            let trace = lock(shelf);
            let wanted: Vec<_> = trace.entries_in(rewrite.segment, Some(SLICE_ENTRIES)).collect();
            if let Some(damage) = trace.damage(key) {
                let mark = trace.needs_mark(rewrite.segment).then_some(Op::Damaged(damage.last));
                mark.into_iter().for_each(|op| slice.push(Record { key, op }));
                return Ok(true);
            }
            (wanted, trace.has_heads_in(rewrite.segment).then(|| trace.state()))
        };
        heads.into_iter().for_each(|state| slice.push(Record { key, op: Op::State(Box::new(state)) }));
        match fetch(&*self.disk, shelf, &wanted, SLICE_BYTES) {
            Ok(entries) => Ok(slice.extend(key, entries.unwrap_or_default(), wanted.len())),
            Err(ReadError::Io(error)) => Err(error).during("copy a segment"),
            Err(error) => Ok(slice.give_up(key, &error)),
        }
    }
}

impl Slice {
    fn has_room(&self) -> bool {
        self.bytes < SLICE_BYTES && self.groups < SLICE_GROUPS
    }

    fn push(&mut self, record: Record) {
        self.bytes += record.bytes();
        self.records.push(record);
    }

    /// Whether these are all of the group's entries in the segment, of which so many were found at first.
    fn extend(&mut self, key: GroupKey, entries: Vec<Entry>, wanted: usize) -> bool {
        let is_all = entries.len() == wanted && wanted < SLICE_ENTRIES;
        entries.into_iter().for_each(|entry| self.push(Record { key, op: Op::Copy(entry) }));
        is_all
    }

    /// What cannot be read any more is never copied: the life is marked as damaged for ever instead, and nothing else of it
    /// is left then. False if that is not what the error says.
    fn give_up(&mut self, key: GroupKey, error: &ReadError) -> bool {
        let ReadError::Corrupt { segment, offset, index } = error else { return false };
        tracing::error!(group = key.group, incarnation = key.incarnation, %error, "damage found while copying");
        let (segment, offset) = (*segment, *offset);
        let what = "the checksum of an entry does not hold";
        self.push(Record { key, op: Op::Damaged(*index) });
        self.damaged.push(Damage { key, segment, offset, first: *index, last: *index, what });
        true
    }
}

impl Trace {
    /// Entries that are in the segment, ascending, at most so many.
    fn entries_in(&self, segment: u64, max: Option<usize>) -> impl Iterator<Item = LogId> {
        let here = self.entries.iter().filter(move |(_, slot)| slot.place.number() == segment);
        here.map(|(index, slot)| slot.id(index)).take(max.unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::{
        Options,
        testing::{SimDisk, key, log_id},
    };

    const ENTRY_BYTES: usize = 5000;

    /// With these groups in its first segment, each with its creation and so many entries. What filled it up is gone.
    fn store(groups: u64, entries: u64) -> Store {
        let options = Options { segment_bytes: 1 << 20, ..Options::default() };
        let (mut store, _) = Store::open(Arc::new(SimDisk::default()), options).unwrap();
        let payload = Bytes::from(vec![1; ENTRY_BYTES]);
        let entry = |index| Op::Entry(Entry { id: log_id(1, index), payload: payload.clone() });
        for group in 0..groups {
            let ops = std::iter::once(Op::Create).chain((0..entries).map(entry));
            store.commit(&ops.map(|op| Record { key: key(group, 1), op }).collect::<Vec<_>>()).unwrap();
        }
        let filler = key(groups, 1);
        let mut index = 0;
        while store.oldest().is_none() {
            store.commit(&[Record { key: filler, op: entry(index) }]).unwrap();
            index += 1;
        }
        store.commit(&[Record { key: filler, op: Op::Tombstone }]).unwrap();
        store.rewrite = Some(Rewrite { segment: 1, after: None });
        store
    }

    fn slices(store: &mut Store) -> Vec<Slice> {
        let mut slices = Vec::new();
        while store.rewrite.is_some() {
            let slice = store.copies().unwrap();
            store.commit(&slice.records).unwrap();
            slices.push(slice);
        }
        slices
    }

    #[test]
    fn a_batch_takes_few_copies_however_large_the_entries_are() {
        let mut store = store(1, 40);
        let slices = slices(&mut store);
        assert!(slices.iter().all(|slice| slice.bytes <= SLICE_BYTES + 2 * ENTRY_BYTES));
        let copies: usize = slices.iter().map(|slice| slice.records.len()).sum();
        assert_eq!(copies, 41, "each entry once, and the group's state");
    }

    #[test]
    fn r5_a_copied_segment_goes_when_its_copies_are_attested() {
        let mut store = store(1, 3);
        slices(&mut store);
        store.tidy().unwrap();
        assert_eq!(store.totals.segments_deleted, 0);
        store.commit(&[Record { key: key(9, 1), op: Op::Create }]).unwrap();
        store.tidy().unwrap();
        assert_eq!(store.totals.segments_deleted, 1);
    }

    #[test]
    fn few_groups_are_looked_at_for_one_batch() {
        let mut store = store(3 * SLICE_GROUPS as u64, 0);
        store.rewrite = Some(Rewrite { segment: 7, after: None });
        let slices = slices(&mut store);
        assert!(slices.len() > 3 && slices.iter().all(|slice| slice.records.is_empty()));
    }
}
