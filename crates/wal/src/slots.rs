//! Where the entries of one group are on disk.

use std::collections::VecDeque;

use crate::{LogId, format::ROW_BYTES, lean::give_back};

/// Holes that replay may make between two entries, until copies fill them; more is nonsense.
const HOLES_MAX: u64 = 1 << 20;

/// One record's frame in a segment file.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    /// The frame's length, bytes; 0 for no place.
    pub(crate) length: u32,
}

impl Place {
    /// What the record takes in its segment, bytes.
    pub(crate) fn bytes(self) -> u64 {
        u64::from(self.length) + ROW_BYTES as u64
    }

    pub(crate) fn number(self) -> u64 {
        u64::from(self.segment)
    }
}

/// One entry on disk.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Slot {
    pub(crate) term: u64,
    pub(crate) origin: u64,
    pub(crate) place: Place,
    /// Its payload is damaged.
    pub(crate) hurt: bool,
}

impl Slot {
    fn is_hole(&self) -> bool {
        self.place.length == 0
    }

    pub(crate) fn is(&self, id: LogId) -> bool {
        (self.term, self.origin) == (id.term, id.origin)
    }

    pub(crate) fn id(&self, index: u64) -> LogId {
        LogId { term: self.term, origin: self.origin, index }
    }
}

/// The entries of one group; without holes, except while a log with copies is replayed.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    first: u64,
    slots: VecDeque<Slot>,
}

impl Slots {
    pub(crate) fn get(&self, index: u64) -> Option<&Slot> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.slots.get(at).filter(|slot| !slot.is_hole())
    }

    fn get_mut(&mut self, index: u64) -> Option<&mut Slot> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(at)
    }

    /// One past the last index, if there is any entry.
    fn end(&self) -> Option<u64> {
        (!self.slots.is_empty()).then(|| self.first.saturating_add(self.slots.len() as u64))
    }

    /// Puts an entry behind the last one, if that is its place.
    pub(crate) fn push(&mut self, index: u64, slot: Slot) -> bool {
        let follows = self.end() == Some(index);
        if follows {
            self.slots.push_back(slot);
        }
        follows
    }

    /// Puts an entry in its place; gives back the one that stood there, or the entry itself where it cannot stand.
    pub(crate) fn put(&mut self, index: u64, slot: Slot) -> Option<Slot> {
        if !self.reach(index) {
            return Some(slot);
        }
        let Some(place) = self.get_mut(index) else { return Some(slot) };
        let old = std::mem::replace(place, slot);
        (!old.is_hole()).then_some(old)
    }

    /// How many places are missing before and behind, for the index to have one; none when that makes no sense.
    fn missing(&self, index: u64) -> Option<(u64, u64)> {
        let next = index.checked_add(1)?;
        let Some(end) = self.end() else { return Some((0, 1)) };
        let (before, behind) = (self.first.saturating_sub(index), next.saturating_sub(end));
        (before.max(behind) <= HOLES_MAX).then_some((before, behind))
    }

    /// Whether the entry can have a place.
    pub(crate) fn can_hold(&self, index: u64) -> bool {
        self.missing(index).is_some()
    }

    /// Makes a place for the index, with holes up to it.
    fn reach(&mut self, index: u64) -> bool {
        let Some((before, behind)) = self.missing(index) else { return false };
        if self.slots.is_empty() {
            self.first = index;
            // Most groups hold few entries: they do not pay for more.
            self.slots.reserve_exact(1);
        }
        (0..before).for_each(|_| self.slots.push_front(Slot::default()));
        (0..behind).for_each(|_| self.slots.push_back(Slot::default()));
        self.first -= before;
        true
    }

    /// Takes out everything at and above `from`.
    pub(crate) fn truncate(&mut self, from: u64) -> Vec<Slot> {
        let keep = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let gone = self.slots.split_off(keep.min(self.slots.len()));
        gone.into_iter().filter(|slot| !slot.is_hole()).collect()
    }

    /// Takes out everything up to and including `upto`.
    pub(crate) fn purge(&mut self, upto: u64) -> Vec<Slot> {
        let through = upto.saturating_add(1).saturating_sub(self.first);
        let count = usize::try_from(through).unwrap_or(usize::MAX).min(self.slots.len());
        self.first = self.first.saturating_add(count as u64);
        let gone = self.slots.drain(..count).filter(|slot| !slot.is_hole()).collect();
        give_back(&mut self.slots);
        gone
    }

    /// All entries, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Slot)> {
        self.slots
            .iter()
            .enumerate()
            .map(|(at, slot)| (self.first + at as u64, slot))
            .filter(|(_, slot)| !slot.is_hole())
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Slot> {
        self.slots.drain(..).filter(|slot| !slot.is_hole())
    }

    /// The first index that is missing behind `before` or between two entries.
    pub(crate) fn gap(&self, before: Option<u64>) -> Option<u64> {
        let mut expected = before.map(|before| before.saturating_add(1));
        for (index, _) in self.iter() {
            if expected.is_some_and(|expected| expected != index) {
                return expected;
            }
            expected = Some(index.saturating_add(1));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(offset: u32) -> Slot {
        Slot { term: 1, origin: 1, place: Place { segment: 1, offset, length: 24 }, hurt: false }
    }

    fn indexes(slots: &Slots) -> Vec<u64> {
        slots.iter().map(|(index, _)| index).collect()
    }

    #[test]
    fn holes_are_filled_in_any_order_and_counted_until_then() {
        let mut slots = Slots::default();
        [5, 9, 3, 7].into_iter().for_each(|index| assert_eq!(slots.put(index, slot(1)), None));
        assert_eq!((indexes(&slots), slots.gap(None)), (vec![3, 5, 7, 9], Some(4)));
        [4, 6, 8].into_iter().for_each(|index| assert_eq!(slots.put(index, slot(1)), None));
        assert_eq!((slots.gap(Some(2)), slots.gap(Some(1)), slots.gap(None)), (None, Some(2), None));
        assert_eq!(slots.put(6, slot(2)), Some(slot(1)));
    }

    #[test]
    fn cutting_at_either_end_gives_back_what_stood_there() {
        let mut slots = Slots::default();
        (3..9).for_each(|index| assert_eq!(slots.put(index, slot(1)), None));
        assert_eq!((slots.purge(4).len(), slots.truncate(7).len(), indexes(&slots)), (2, 2, vec![5, 6]));
        assert_eq!((slots.truncate(0).len(), indexes(&slots)), (2, vec![]));
        assert_eq!(slots.put(100, slot(1)), None);
        assert_eq!((slots.purge(u64::MAX).len(), indexes(&slots)), (1, vec![]));
    }

    #[test]
    fn an_index_from_nowhere_makes_no_room_for_itself() {
        let mut slots = Slots::default();
        assert_eq!(slots.put(3, slot(1)), None);
        assert_eq!(slots.put(u64::MAX - 1, slot(2)), Some(slot(2)));
        assert_eq!(slots.put(3 + HOLES_MAX + 9, slot(2)), Some(slot(2)));
    }
}
