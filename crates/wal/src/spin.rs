//! Waiting without sleeping, where that is worth it: to be woken takes longer than a small batch does.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use crate::timer::Stopwatch;

/// So long a wait is spun through at most.
const SPIN: Duration = Duration::from_micros(30);
/// So long it is waited for those who have just been told, as long as one comes after the other.
const GATHER: Duration = Duration::from_micros(80);
/// With nobody new for so long, nobody is waited for.
const STALL: Duration = Duration::from_micros(6);
/// After gathering in vain again and again, so many batches at most pass until it is tried again.
const PAUSE_MAX: u32 = 64;
/// Turns of a spin between two looks: each look takes the flag away from who sets it.
const TURNS: u32 = 16;

/// Spins only while that has paid: after a wait that was short, until a spin was in vain. So a log with little to do
/// spins for a moment after a burst and never else.
#[derive(Debug)]
pub(crate) struct Spin {
    pays: bool,
    /// Somebody else can run meanwhile.
    possible: bool,
    /// Batches until gathering is tried again, and how many they will be after the next time in vain.
    skip: u32,
    pause: u32,
}

impl Spin {
    pub(crate) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self { pays: false, possible: cores > 1, skip: 0, pause: 1 }
    }

    /// For a log whose caller decides when it is written: it never waits, and its clock may stand still.
    pub(crate) fn never() -> Self {
        Self { possible: false, ..Self::new() }
    }

    /// Waits for anything that is ready.
    pub(crate) fn until(&mut self, ready: &AtomicUsize) {
        if self.pays {
            self.pays = reach(ready, 1, (SPIN, SPIN));
        }
    }

    /// Waits until so many items are ready. Callers who were just told often come back at once: one batch for all of them
    /// is sooner durable than two that take turns.
    pub(crate) fn gather(&mut self, ready: &AtomicUsize, items: usize) {
        if !self.possible || self.skip > 0 {
            self.skip = self.skip.saturating_sub(1);
            return;
        }
        self.pause = match reach(ready, items, (GATHER, STALL)) {
            true => 1,
            false => (self.pause * 2).min(PAUSE_MAX),
        };
        self.skip = self.pause - 1;
    }

    /// A wait begins that may be slept through.
    pub(crate) fn start(&self) -> Stopwatch {
        Stopwatch::start()
    }

    /// That wait is over.
    pub(crate) fn waited(&mut self, waiting: Stopwatch) {
        self.pays = self.possible && waiting.elapsed() <= 2 * SPIN;
    }
}

/// Whether so many items were ready in time, with a new one at least that often.
fn reach(ready: &AtomicUsize, items: usize, (time, stall): (Duration, Duration)) -> bool {
    let watch = Stopwatch::start();
    let (mut seen, mut last) = (0, Duration::ZERO);
    loop {
        let (there, now) = (look(ready), watch.elapsed());
        if there >= items {
            return true;
        }
        if there > seen {
            (seen, last) = (there, now);
        }
        if now > time.min(last + stall) {
            return false;
        }
    }
}

fn look(ready: &AtomicUsize) -> usize {
    (0..TURNS).for_each(|_| std::hint::spin_loop());
    ready.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin() -> Spin {
        Spin { possible: true, ..Spin::new() }
    }

    #[test]
    fn gathering_in_vain_is_tried_less_and_less_often_until_it_pays() {
        let (mut spin, nobody) = (spin(), AtomicUsize::new(0));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            spin.skip = 0;
            spin.gather(&nobody, 1);
            pauses.push(spin.skip);
        }
        assert_eq!(pauses, [1, 3, 7, 15, 31, 63, 63, 63]);
        spin.skip = 1;
        spin.gather(&AtomicUsize::new(5), 5);
        assert_eq!((spin.skip, spin.pause), (0, 64), "it was not yet its turn");
        spin.gather(&AtomicUsize::new(5), 5);
        assert_eq!((spin.skip, spin.pause), (0, 1));
    }

    #[test]
    fn a_log_with_nothing_to_do_does_not_spin_again() {
        let mut spin = Spin { pays: true, ..spin() };
        spin.until(&AtomicUsize::new(0));
        assert!(!spin.pays);
        spin.waited(Stopwatch::start());
        spin.until(&AtomicUsize::new(1));
    }
}
