//! How many bytes of each segment are still needed.

use std::collections::BTreeMap;

/// Which segment holds a record, and how many bytes it takes there.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) bytes: u64,
}

/// A live value and the record that holds it.
#[derive(Clone, Debug)]
pub(crate) struct Kept<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// Live bytes per segment.
#[derive(Debug, Default)]
pub(crate) struct Usage(BTreeMap<u64, u64>);

impl Usage {
    pub(crate) fn hold<T>(&mut self, value: T, place: Place) -> Kept<T> {
        *self.0.entry(place.segment).or_default() += place.bytes;
        Kept { value, place }
    }

    pub(crate) fn release(&mut self, place: Place) {
        let Some(live) = self.0.get_mut(&place.segment) else { return };
        *live = live.saturating_sub(place.bytes);
        if *live == 0 {
            self.0.remove(&place.segment);
        }
    }

    /// Puts a newer record of the same thing in the place of the older one.
    pub(crate) fn replace<T>(&mut self, slot: &mut Option<Kept<T>>, value: T, place: Place) {
        let old = slot.replace(self.hold(value, place));
        self.release_all(old);
    }

    pub(crate) fn release_all<T>(&mut self, kept: impl IntoIterator<Item = Kept<T>>) {
        kept.into_iter().for_each(|kept| self.release(kept.place));
    }

    pub(crate) fn live(&self, segment: u64) -> u64 {
        self.0.get(&segment).copied().unwrap_or_default()
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }
}
