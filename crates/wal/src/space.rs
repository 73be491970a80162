//! How much room there is on disk, as far as the segments that are made ahead tell.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Written by the writer and by the keeper of spare segments, read by whoever admits changes.
#[derive(Debug, Default)]
pub(crate) struct Space {
    /// No further segment could be made.
    short: AtomicBool,
    /// Bytes left in the segment that is written.
    active: AtomicU64,
    /// Bytes of all spare segments.
    spares: AtomicU64,
    /// All segments together are over the budget and copying frees nothing.
    over_budget: AtomicBool,
}

impl Space {
    pub(crate) fn set_short(&self, short: bool) {
        if self.short.swap(short, Ordering::AcqRel) != short {
            report(short);
        }
    }

    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Ordering::Acquire)
    }

    pub(crate) fn set_active(&self, bytes: u64) {
        self.active.store(bytes, Ordering::Release);
    }

    /// Bytes left in the segment that is written.
    pub(crate) fn active(&self) -> u64 {
        self.active.load(Ordering::Acquire)
    }

    pub(crate) fn set_spares(&self, bytes: u64) {
        self.spares.store(bytes, Ordering::Release);
    }

    pub(crate) fn set_over_budget(&self, over: bool) {
        self.over_budget.store(over, Ordering::Release);
    }

    pub(crate) fn is_over_budget(&self) -> bool {
        self.over_budget.load(Ordering::Acquire)
    }

    /// Bytes that can still be written, whatever happens to the disk; none: no bound is known.
    pub(crate) fn room(&self) -> Option<u64> {
        let room = || self.active() + self.spares.load(Ordering::Acquire);
        self.is_short().then(room)
    }

    /// Whether nothing is left but the segment that is written.
    pub(crate) fn is_last_segment(&self) -> bool {
        self.is_short() && self.spares.load(Ordering::Acquire) == 0
    }
}

fn report(short: bool) {
    metrics::gauge!("muster_wal_disk_full").set(u8::from(short));
    match short {
        true => {
            tracing::error!("no space for another segment of the log: proposals are refused until there is")
        }
        false => tracing::info!("there is space for the log again"),
    }
}
