//! What a host believes about one group's leadership, beside what Raft knows.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

#[derive(Default)]
struct Belief {
    led_by: Option<LedBy>,
    /// The process that was found gone while it led; cleared when another one leads.
    gone: Option<LedBy>,
}

/// One group's leadership as its host sees it.
#[derive(Default)]
pub(crate) struct Standing {
    belief: Mutex<Belief>,
    waiting: AtomicUsize,
    /// Milliseconds after the host's epoch before which no campaign is begun.
    next_try_ms: AtomicU64,
}

impl Standing {
    /// No campaign before this time.
    pub(crate) fn trying_from(at_ms: u64) -> Arc<Self> {
        Arc::new(Self { next_try_ms: AtomicU64::new(at_ms), ..Self::default() })
    }

    fn belief(&self) -> MutexGuard<'_, Belief> {
        self.belief.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who leads now. A death is forgotten once another process leads, or the same one by a later election.
    pub(crate) fn note_leader(&self, led_by: Option<LedBy>) {
        let mut belief = self.belief();
        belief.led_by = led_by;
        belief.gone.take_if(|gone| led_by.is_some_and(|by| by.is_not_of(gone)));
    }

    /// The processes of this member up to this generation are gone. Did one of them lead when last heard of? The first
    /// who asks is told so; to others who have heard the same it is no news.
    pub(crate) fn note_gone(&self, member: MemberNumber, generation: Generation) -> bool {
        let mut belief = self.belief();
        let led = belief.led_by.take_if(|by| by.member == member && by.generation <= generation);
        belief.gone = led.or(belief.gone);
        led.is_some()
    }

    pub(crate) fn gone(&self) -> Option<MemberNumber> {
        self.belief().gone.map(|process| process.member)
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

#[cfg(test)]
mod tests {
    use super::*;

    const DEAD: MemberNumber = MemberNumber(3);

    fn led_by(member: MemberNumber, term: u64) -> Option<LedBy> {
        Some(LedBy { member, generation: Generation(1), term })
    }

    /// A link that is refused and a host that tells: both come within a millisecond.
    #[test]
    fn a_death_that_is_heard_of_twice_is_news_once_and_is_not_forgotten() {
        let standing = Standing::default();
        standing.note_leader(led_by(DEAD, 1));
        assert!(standing.note_gone(DEAD, Generation(1)));
        assert!(!standing.note_gone(DEAD, Generation(1)));
        assert_eq!(standing.gone(), Some(DEAD));
        standing.note_leader(led_by(MemberNumber(1), 2));
        assert_eq!(standing.gone(), None);
    }

    #[test]
    fn the_death_of_another_process_says_nothing_of_the_leader() {
        let standing = Standing::default();
        standing.note_leader(led_by(MemberNumber(1), 1));
        assert!(
            !standing.note_gone(DEAD, Generation(1)) && !standing.note_gone(MemberNumber(1), Generation(0))
        );
        assert_eq!(standing.gone(), None);
    }
}
