//! What a host believes about one group's leadership, beside what Raft knows.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use muster_wire::{Generation, MemberNumber};

/// The process that leads, as evidence names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LedBy {
    pub(crate) member: MemberNumber,
    pub(crate) generation: Generation,
    /// The term in which it was elected.
    pub(crate) term: u64,
}

impl LedBy {
    /// Another member, a later process of the same one, or elected since: then it was not gone.
    fn is_not_of(self, gone: &Self) -> bool {
        self.member != gone.member || self.generation > gone.generation || self.term > gone.term
    }
}

/// One group's leadership as its host sees it.
#[derive(Default)]
pub(crate) struct Standing {
    led_by: Mutex<Option<LedBy>>,
    /// The process that was found gone while it led; cleared when another one leads.
    gone: Mutex<Option<LedBy>>,
    waiting: AtomicUsize,
    /// Milliseconds after the host's epoch before which no campaign is begun.
    next_try_ms: AtomicU64,
}

impl Standing {
    /// No campaign before this time.
    pub(crate) fn trying_from(at_ms: u64) -> Arc<Self> {
        Arc::new(Self { next_try_ms: AtomicU64::new(at_ms), ..Self::default() })
    }

    /// Who leads now. A death is forgotten once another process leads, or the same one by a later election.
    pub(crate) fn note_leader(&self, led_by: Option<LedBy>) {
        *self.led_by.lock().unwrap_or_else(PoisonError::into_inner) = led_by;
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.take_if(|gone| led_by.is_some_and(|by| by.is_not_of(gone)));
    }

    /// The process that led is gone.
    pub(crate) fn note_gone(&self) {
        let led_by = self.led_by.lock().unwrap_or_else(PoisonError::into_inner).take();
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner) = led_by;
    }

    /// Did a process of this member, up to this generation, lead when last heard of?
    pub(crate) fn was_led_by(&self, member: MemberNumber, generation: Generation) -> bool {
        let led_by = *self.led_by.lock().unwrap_or_else(PoisonError::into_inner);
        led_by.is_some_and(|by| by.member == member && by.generation <= generation)
    }

    pub(crate) fn gone(&self) -> Option<MemberNumber> {
        let gone = *self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.map(|process| process.member)
    }

    /// Callers that wait for an answer now.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Counts a caller until the guard is dropped.
    pub(crate) fn wait_guard(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self.clone())
    }

    /// Is a campaign due? If so the next one is put off to `next_ms`.
    pub(crate) fn take_try(&self, now_ms: u64, next_ms: u64) -> bool {
        let due = self.next_try_ms.load(Ordering::Relaxed) <= now_ms;
        if due {
            self.next_try_ms.store(next_ms, Ordering::Relaxed);
        }
        due
    }

    /// A campaign is worth a try from then on.
    pub(crate) fn try_from(&self, at_ms: u64) {
        self.next_try_ms.fetch_min(at_ms, Ordering::Relaxed);
    }
}

/// A caller that waits.
pub(crate) struct Waiting(Arc<Standing>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
