//! Failed tries per webhook, at the gate that delivers. Lost with the gate: the next one starts afresh, and the time
//! after which a webhook is given up stands in the job's state.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_runtime::random;
use muster_wire::JobId;
use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Webhooks whose tries are remembered.
const KNOWN_MAX: usize = 20_000;

/// Failed tries of one webhook in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tries {
    /// How many.
    pub(crate) count: u32,
    /// Not tried again before this.
    pub(crate) next: Instant,
    /// Why the last one failed.
    pub(crate) error: String,
}

/// The tries of all webhooks.
#[derive(Debug, Default)]
pub(crate) struct TryBook(Mutex<HashMap<(JobId, String), Tries>>);

impl TryBook {
    fn lock(&self) -> MutexGuard<'_, HashMap<(JobId, String), Tries>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The failed tries since the last success.
    pub(crate) fn get(&self, job: JobId, url: &str) -> Option<Tries> {
        self.lock().get(&(job, url.to_owned())).cloned()
    }

    /// Counts a failure; the answer is when to try again.
    pub(crate) fn failed(&self, (job, url): (JobId, &str), error: String, now: Instant) -> Duration {
        let mut book = self.lock();
        if book.len() >= KNOWN_MAX {
            book.retain(|_, tries| tries.next > now);
        }
        let count = book.get(&(job, url.to_owned())).map_or(1, |tries| tries.count.saturating_add(1));
        let pause = pause_after(count);
        book.insert((job, url.to_owned()), Tries { count, next: now + pause, error });
        pause
    }

    /// A delivery succeeded, or the webhook is gone.
    pub(crate) fn forget(&self, job: JobId, url: &str) {
        self.lock().remove(&(job, url.to_owned()));
    }
}

/// Doubles, with jitter of a quarter.
fn pause_after(count: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << (count - 1).min(16)).min(LONGEST_PAUSE);
    whole - Duration::from_millis(random::below(whole.as_millis() as u64 / 4 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let now = muster_runtime::Clock::system().now();
        let (book, job) = (TryBook::default(), JobId(1));
        let pauses: Vec<Duration> = (0..12).map(|_| book.failed((job, "u"), "no".into(), now)).collect();
        assert!(pauses[0] <= FIRST_PAUSE && pauses[3] > FIRST_PAUSE * 3);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
        assert_eq!(book.get(job, "u").map(|tries| tries.count), Some(12));
        book.forget(job, "u");
        assert_eq!(book.get(job, "u"), None);
    }
}
