//! What happened in a run, in order, as one number: the same seed must give the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Clones are the same trace.
#[derive(Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    hasher: crc32fast::Hasher,
    events: u64,
    is_shown: bool,
    now: Duration,
}

impl Trace {
    /// Every line is also printed.
    pub(crate) fn show(&self) {
        self.state().is_shown = true;
    }

    /// The time for what happens outside of all hosts.
    pub(crate) fn at(&self, now: Duration) {
        self.state().now = now;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn line(&self, text: &str) {
        let mut state = self.state();
        let at = turmoil::sim_elapsed().unwrap_or(state.now).as_micros() as u64;
        state.add(&at.to_le_bytes());
        state.add(text.as_bytes());
        if state.is_shown {
            println!("{:>10.3} {text}", at as f64 / 1000.0);
        }
    }

    pub(crate) fn bytes(&self, bytes: &[u8]) {
        self.state().add(bytes);
    }

    /// The number, and how many events went into it.
    pub(crate) fn digest(&self) -> (u32, u64) {
        let state = self.state();
        (state.hasher.clone().finalize(), state.events)
    }
}

impl State {
    fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.events += 1;
    }
}
