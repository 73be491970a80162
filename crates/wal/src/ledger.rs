//! What is on disk for all groups. Recovery and the writer build it with the same code, record by record in log order.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex},
};

use crate::{
    Damage, GroupKey,
    format::{Op, Record},
    lock::lock,
    slots::Place,
    trace::Trace,
    usage::Usage,
};

/// Groups that are found without a search.
const RECENT: usize = 1024;

/// One group's records on disk: written by the writer, read by whoever looks for an entry.
pub(crate) type Shelf = Arc<Mutex<Trace>>;

/// The shelves of all groups, found by the writer and by whoever opens a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelves(Arc<Mutex<BTreeMap<GroupKey, Shelf>>>);

impl Shelves {
    pub(crate) fn get_or_make(&self, key: GroupKey) -> Shelf {
        lock(&self.0).entry(key).or_default().clone()
    }

    pub(crate) fn all(&self) -> Vec<(GroupKey, Shelf)> {
        lock(&self.0).iter().map(|(key, shelf)| (*key, shelf.clone())).collect()
    }

    /// The next group behind `after`.
    pub(crate) fn next(&self, after: Option<GroupKey>) -> Option<(GroupKey, Shelf)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        lock(&self.0).range((start, Bound::Unbounded)).next().map(|(key, shelf)| (*key, shelf.clone()))
    }

    /// Whether a later life of the group is there, but not this one: nothing is left of it here, and the record that closed
    /// it stands before the segments that are left.
    fn is_superseded(&self, key: GroupKey) -> bool {
        let shelves = lock(&self.0);
        let lives = key..=GroupKey { incarnation: u32::MAX, ..key };
        shelves.range(lives).next().is_some_and(|(next, _)| *next != key)
    }

    fn take(&self, key: GroupKey) -> Option<Shelf> {
        lock(&self.0).remove(&key)
    }

    fn below(&self, key: GroupKey) -> Vec<GroupKey> {
        lock(&self.0).range(lives_below(key)).map(|(key, _)| *key).collect()
    }
}

/// Groups that had a record lately, each in the one place that its id gives it: most records find their group without a
/// search. Only lives that are not over stand here.
#[derive(Debug)]
struct Recent(Vec<Option<(GroupKey, Shelf)>>);

impl Default for Recent {
    fn default() -> Self {
        Self(vec![None; RECENT])
    }
}

impl Recent {
    fn get(&self, key: GroupKey) -> Option<&Shelf> {
        let (found, shelf) = self.0[place_of(key)].as_ref()?;
        (*found == key).then_some(shelf)
    }

    fn put(&mut self, key: GroupKey, shelf: Shelf) {
        self.0[place_of(key)] = Some((key, shelf));
    }

    fn forget(&mut self, key: GroupKey) {
        self.0[place_of(key)].take_if(|(found, _)| *found == key);
    }
}

/// Ids may be consecutive or random: both spread.
fn place_of(key: GroupKey) -> usize {
    let mixed = key.group.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    mixed as usize % RECENT
}

/// The durable state of every group.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) shelves: Shelves,
    /// Closed lives of groups, and the segment of the record that closed each; kept as long as that segment, because an
    /// older segment may still hold records of that life.
    closed: BTreeMap<GroupKey, u64>,
    usage: Usage,
    recent: Recent,
}

impl Ledger {
    pub(crate) fn apply(&mut self, record: &Record, place: Place) {
        match record.op {
            Op::Create => self.create(record, place),
            Op::Tombstone => self.close(record.key, place.number()),
            Op::Seal => {}
            Op::State(_) => self.revive(record, place),
            _ => self.change(record, place),
        }
    }

    fn create(&mut self, record: &Record, place: Place) {
        self.close_below(record.key, place);
        self.closed.remove(&record.key);
        self.change(record, place);
    }

    /// A copied state closes the lives below it too, as the creation did that it stands for.
    fn revive(&mut self, record: &Record, place: Place) {
        self.close_below(record.key, place);
        self.change(record, place);
    }

    fn close_below(&mut self, key: GroupKey, place: Place) {
        self.shelves.below(key).into_iter().for_each(|lower| self.close(lower, place.number()));
    }

    fn close(&mut self, key: GroupKey, segment: u64) {
        self.closed.insert(key, segment);
        self.recent.forget(key);
        if let Some(shelf) = self.shelves.take(key) {
            lock(&shelf).release(&mut self.usage);
        }
    }

    fn change(&mut self, record: &Record, place: Place) {
        if self.recent.get(record.key).is_none() && !self.recall(record.key) {
            return;
        }
        let Some(shelf) = self.recent.get(record.key) else { return };
        lock(shelf).apply(&record.op, place, &mut self.usage);
    }

    /// Makes the group a recent one; false for a life that is over.
    fn recall(&mut self, key: GroupKey) -> bool {
        let is_over = self.closed.contains_key(&key) || self.shelves.is_superseded(key);
        if !is_over {
            self.recent.put(key, self.shelves.get_or_make(key));
        }
        !is_over
    }

    /// Forgets a deleted segment; gives back the closed lives of which nothing is on disk any more.
    pub(crate) fn forget_segment(&mut self, segment: u64) -> Vec<GroupKey> {
        self.closed.extract_if(.., |_, closed_in| *closed_in <= segment).map(|(key, _)| key).collect()
    }

    pub(crate) fn live(&self, segment: u64) -> u64 {
        self.usage.live(segment)
    }

    pub(crate) fn live_total(&self) -> u64 {
        self.usage.total()
    }

    pub(crate) fn closed(&self) -> impl Iterator<Item = GroupKey> {
        self.closed.keys().copied()
    }

    /// Every life that must not be used, ascending.
    pub(crate) fn damage(&self) -> Vec<Damage> {
        self.shelves.all().into_iter().filter_map(|(key, shelf)| lock(&shelf).damage(key)).collect()
    }
}

/// All lower incarnations of the same group.
pub(crate) fn lives_below(key: GroupKey) -> std::ops::Range<GroupKey> {
    GroupKey { incarnation: 0, ..key }..key
}
