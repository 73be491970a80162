//! The newest entries of all groups in memory, bounded in bytes: what is old goes first, once it is on disk.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    lock::{lock, read, write},
    view::GroupCell,
};

/// Below so many groups it is not looked for those that have nothing in memory any more.
const SWEEP_MIN: usize = 1024;

/// Counts the bytes of all entries in memory and lets go of the oldest.
pub(crate) struct Cache {
    bytes: AtomicUsize,
    bytes_max: usize,
    /// Changed by the writer only.
    clock: Mutex<Clock>,
}

/// Groups with durable entries in memory, each once. They give up their oldest append in turn.
struct Clock {
    cells: VecDeque<Arc<GroupCell>>,
    /// With so many of them, those that have nothing in memory any more leave.
    sweep_at: usize,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let clock = Clock { cells: VecDeque::new(), sweep_at: SWEEP_MIN };
        Self { bytes: AtomicUsize::new(0), bytes_max, clock: Mutex::new(clock) }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn grow(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn shrink(&self, bytes: usize) {
        if bytes > 0 {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// These appends are on disk; what is too much leaves memory.
    pub(crate) fn note(&self, appends: impl Iterator<Item = (Arc<GroupCell>, u64)>) {
        let new = appends.filter_map(|(cell, stamp)| {
            cell.durable.store(stamp, Ordering::Release);
            let is_new = !cell.cached.load(Ordering::Acquire);
            cell.cached.store(true, Ordering::Release);
            is_new.then_some(cell)
        });
        new.for_each(|cell| lock(&self.clock).add(cell));
        self.make_room();
    }

    /// As long as it is too much; a round in which nobody could give up anything ends it.
    fn make_room(&self) {
        let mut in_vain = 0;
        while self.bytes() > self.bytes_max {
            let mut clock = lock(&self.clock);
            let freed = clock.turn();
            self.shrink(freed);
            in_vain = if freed > 0 { 0 } else { in_vain + 1 };
            if in_vain > clock.cells.len() {
                return;
            }
        }
    }
}

impl Clock {
    fn add(&mut self, cell: Arc<GroupCell>) {
        self.cells.push_back(cell);
        if self.cells.len() >= self.sweep_at {
            self.cells.retain(stays);
            self.sweep_at = SWEEP_MIN.max(2 * self.cells.len());
        }
    }

    /// The next group gives up its oldest append; gives back the bytes.
    fn turn(&mut self) -> usize {
        let Some(cell) = self.cells.pop_front() else { return 0 };
        let freed = write(&cell.view).evict(cell.durable.load(Ordering::Acquire));
        if stays(&cell) {
            self.cells.push_back(cell);
        }
        freed
    }
}

/// Whether the group still has entries in memory; else it is forgotten here.
fn stays(cell: &Arc<GroupCell>) -> bool {
    let stays = read(&cell.view).is_cached();
    cell.cached.store(stays, Ordering::Release);
    stays
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{entries, key},
        view::View,
    };

    fn cell(group: u64, counts: &[u64]) -> Arc<GroupCell> {
        let mut view = View::default();
        let mut next = 0;
        for count in counts {
            view.append(entries(1, next..next + count));
            next += count;
        }
        Arc::new(GroupCell::new(key(group, 1), view, Arc::default()))
    }

    fn in_memory(cell: &GroupCell) -> usize {
        read(&cell.view).want(0..100, usize::MAX).in_memory.len()
    }

    #[test]
    fn groups_give_up_their_oldest_appends_in_turn_and_only_durable_ones() {
        let cache = Cache::new(1);
        let (one, two) = (cell(1, &[2, 1]), cell(2, &[1, 1]));
        cache.grow(1_000_000);
        cache.note([(one.clone(), 1), (two.clone(), 2)].into_iter());
        assert_eq!((in_memory(&one), in_memory(&two)), (1, 0));
        cache.note([(one.clone(), 2)].into_iter());
        assert_eq!(in_memory(&one), 0);
    }

    #[test]
    fn groups_with_nothing_in_memory_are_not_kept() {
        let cache = Cache::new(usize::MAX);
        (0..3 * SWEEP_MIN as u64).for_each(|group| cache.note(std::iter::once((cell(group, &[]), 0))));
        assert!(lock(&cache.clock).cells.len() < SWEEP_MIN);
    }
}
