//! Retry delays: doubling, jittered, capped.

use std::time::Duration;

use crate::random;

/// Doubles from `first` to `most`; each delay is drawn from its upper half.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    tries: u32,
}

impl Backoff {
    /// Starts at `first`, never waits longer than `most`.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, tries: 0 }
    }

    /// The next delay.
    pub fn next_delay(&mut self) -> Duration {
        let full = self.first.saturating_mul(1 << self.tries.min(20)).min(self.most);
        self.tries = self.tries.saturating_add(1);
        let half = full / 2;
        half + Duration::from_millis(random::below(half.as_millis() as u64 + 1))
    }

    /// How many delays were drawn since the last reset.
    pub const fn tries(&self) -> u32 {
        self.tries
    }

    /// Back to `first`: the thing retried has worked.
    pub const fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_cap_and_never_beyond() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(100));
        for _ in 0..50 {
            let delay = backoff.next_delay();
            assert!(delay >= Duration::from_millis(5) && delay <= Duration::from_millis(100));
        }
    }
}
