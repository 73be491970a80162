//! How many bytes of each segment are still needed.

use std::collections::BTreeMap;

use crate::slots::Place;

/// A live value and the record that holds it.
#[derive(Clone, Debug)]
pub(crate) struct Kept<T> {
    pub(crate) value: T,
    pub(crate) segment: u32,
    pub(crate) bytes: u32,
}

/// Live bytes per segment.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    segments: BTreeMap<u64, u64>,
    total: u64,
}

impl Usage {
    pub(crate) fn hold(&mut self, segment: u64, bytes: u64) {
        *self.segments.entry(segment).or_default() += bytes;
        self.total += bytes;
    }

    pub(crate) fn release(&mut self, segment: u64, bytes: u64) {
        let Some(live) = self.segments.get_mut(&segment) else { return };
        *live = live.saturating_sub(bytes);
        self.total = self.total.saturating_sub(bytes);
        if *live == 0 {
            self.segments.remove(&segment);
        }
    }

    pub(crate) fn hold_place(&mut self, place: Place) {
        self.hold(place.number(), place.bytes());
    }

    pub(crate) fn release_places(&mut self, places: impl IntoIterator<Item = Place>) {
        places.into_iter().for_each(|place| self.release(place.number(), place.bytes()));
    }

    /// Puts a newer record of the same thing in the place of the older one.
    pub(crate) fn replace<T>(&mut self, slot: &mut Option<Kept<T>>, kept: Kept<T>) {
        self.hold(kept.segment.into(), kept.bytes.into());
        self.release_kept(slot.replace(kept));
    }

    pub(crate) fn release_kept<T>(&mut self, kept: Option<Kept<T>>) {
        kept.into_iter().for_each(|kept| self.release(kept.segment.into(), kept.bytes.into()));
    }

    pub(crate) fn live(&self, segment: u64) -> u64 {
        self.segments.get(&segment).copied().unwrap_or_default()
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }
}
