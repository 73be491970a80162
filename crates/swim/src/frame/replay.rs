//! Which packets were seen: one window of counters per sender.

use std::collections::BTreeMap;

use muster_wire::{Generation, NodeId};

use super::Sender;

/// Senders remembered; beyond that the one silent for longest is forgotten.
pub(super) const SENDERS_MAX: usize = 16_384;
const WORDS: usize = 16;
/// Packets that may overtake each other.
const WINDOW: u64 = WORDS as u64 * 64;

struct Window {
    generation: Generation,
    highest: u64,
    /// Bit `counter % WINDOW` for the counters in `highest - WINDOW + 1 ..= highest`.
    seen: [u64; WORDS],
}

impl Window {
    fn new(generation: Generation, counter: u64) -> Self {
        let mut window = Self { generation, highest: counter, seen: [0; WORDS] };
        window.mark(counter);
        window
    }

    fn word(&mut self, counter: u64) -> &mut u64 {
        // the remainder is below the length
        &mut self.seen[(counter / 64) as usize % WORDS]
    }

    fn mark(&mut self, counter: u64) {
        *self.word(counter) |= 1 << (counter % 64);
    }

    fn is_marked(&self, counter: u64) -> bool {
        self.seen[(counter / 64) as usize % WORDS] & (1 << (counter % 64)) != 0
    }

    fn is_seen(&self, counter: u64) -> bool {
        counter <= self.highest && (self.highest - counter >= WINDOW || self.is_marked(counter))
    }

    fn note(&mut self, counter: u64) {
        let ahead = counter.saturating_sub(self.highest).min(WINDOW);
        for skipped in 1..=ahead {
            let place = self.highest + skipped;
            *self.word(place) &= !(1 << (place % 64));
        }
        self.highest = self.highest.max(counter);
        if ahead == WINDOW {
            self.seen = [0; WORDS];
        }
        self.mark(counter);
    }
}

/// The windows of all senders heard of.
#[derive(Default)]
pub(super) struct Windows(BTreeMap<NodeId, Window>);

impl Windows {
    /// Is it a packet that was opened before, one too old to tell, or one of an earlier process?
    pub(super) fn is_seen(&self, from: Sender, counter: u64) -> bool {
        let Some(window) = self.0.get(&from.id) else { return false };
        match from.generation.cmp(&window.generation) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => window.is_seen(counter),
            std::cmp::Ordering::Greater => false,
        }
    }

    /// A packet of this sender was opened.
    pub(super) fn note(&mut self, from: Sender, counter: u64) {
        match self.0.get_mut(&from.id).filter(|window| window.generation == from.generation) {
            Some(window) => window.note(counter),
            None => self.begin(from, counter),
        }
    }

    fn begin(&mut self, from: Sender, counter: u64) {
        if self.0.len() >= SENDERS_MAX && !self.0.contains_key(&from.id) {
            self.forget_oldest();
        }
        self.0.insert(from.id, Window::new(from.generation, counter));
    }

    /// Counters are microseconds of the wall clock at their process's start and go up from there.
    fn forget_oldest(&mut self) {
        let oldest = self.0.iter().min_by_key(|(_, window)| window.highest).map(|(id, _)| *id);
        oldest.and_then(|id| self.0.remove(&id));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
