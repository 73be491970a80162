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

/// Bytes of copies that go with one batch.
const SLICE_BYTES: usize = 64 << 10;
/// Entries of one group that are copied at once.
const SLICE_ENTRIES: usize = 256;
/// A segment with less than this part of it alive is worth copying early, in percent.
const SPARSE_PERCENT: u64 = 30;
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

    /// Little lives in it, and half of the budget is used.
    fn is_sparse(&self, segment: u64) -> bool {
        let bytes = self.sealed.get(&segment).copied().unwrap_or_default();
        let half_used = self.bytes() > self.options.budget_bytes / 2;
        half_used && self.ledger.live(segment) * 100 < bytes * SPARSE_PERCENT
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
        let mut bytes = 0;
        while bytes < SLICE_BYTES {
            let Some((key, shelf)) = self.ledger.shelves.next(rewrite.after) else {
                self.rewritten = Some(rewrite.segment);
                self.totals.copies += slice.records.len() as u64;
                return Ok(slice);
            };
            let before = slice.records.len();
            if self.copy_group(&rewrite, (key, &shelf), &mut slice)? {
                rewrite.after = Some(key);
            } else {
                bytes = SLICE_BYTES;
            }
            bytes += slice.records[before..].iter().map(Record::bytes).sum::<usize>();
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
                slice.records.extend(mark.map(|op| Record { key, op }));
                return Ok(true);
            }
            (wanted, trace.has_heads_in(rewrite.segment).then(|| trace.state()))
        };
        slice.records.extend(heads.map(|state| Record { key, op: Op::State(Box::new(state)) }));
        match fetch(&*self.disk, shelf, &wanted, usize::MAX) {
            Ok(entries) => slice.extend(key, entries.unwrap_or_default()),
            Err(ReadError::Io(error)) => return Err(error).during("copy a segment"),
            Err(error) => slice.give_up(key, &error),
        }
        Ok(wanted.len() < SLICE_ENTRIES)
    }
}

impl Slice {
    fn extend(&mut self, key: GroupKey, entries: Vec<Entry>) {
        self.records.extend(entries.into_iter().map(|entry| Record { key, op: Op::Copy(entry) }));
    }

    /// What cannot be read any more is never copied: the life is marked as damaged for ever instead.
    fn give_up(&mut self, key: GroupKey, error: &ReadError) {
        let ReadError::Corrupt { segment, offset, index } = error else { return };
        tracing::error!(group = key.group, incarnation = key.incarnation, %error, "damage found while copying");
        let (segment, offset) = (*segment, *offset);
        let what = "the checksum of an entry does not hold";
        self.records.push(Record { key, op: Op::Damaged(*index) });
        self.damaged.push(Damage { key, segment, offset, first: *index, last: *index, what });
    }
}

impl Trace {
    /// Entries that are in the segment, ascending, at most so many.
    fn entries_in(&self, segment: u64, max: Option<usize>) -> impl Iterator<Item = LogId> {
        let here = self.entries.iter().filter(move |(_, slot)| slot.place.number() == segment);
        here.map(|(index, slot)| slot.id(index)).take(max.unwrap_or(usize::MAX))
    }
}
