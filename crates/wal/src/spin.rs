//! Waiting without sleeping, where that is worth it: to be woken takes longer than a small batch does.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::timer::Stopwatch;

/// So long a wait is spun through at most.
const SPIN: Duration = Duration::from_micros(30);
/// Looks between two looks at the clock.
const LOOKS: u32 = 32;

/// Spins only while that has paid: after a wait that was short, until a spin was in vain. So a log with little to do
/// spins for a moment after a burst and never else.
#[derive(Debug)]
pub(crate) struct Spin {
    pays: bool,
    /// Somebody else can run meanwhile.
    possible: bool,
}

impl Spin {
    pub(crate) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self { pays: false, possible: cores > 1 }
    }

    /// Looks at the flag for a while.
    pub(crate) fn until(&mut self, flag: &AtomicBool) {
        if !self.pays {
            return;
        }
        let watch = Stopwatch::start();
        while !is_set(flag) {
            if watch.elapsed() > SPIN {
                self.pays = false;
                return;
            }
        }
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

fn is_set(flag: &AtomicBool) -> bool {
    (0..LOOKS).any(|_| {
        std::hint::spin_loop();
        flag.load(Ordering::Acquire)
    })
}
