//! How many packets of one address are looked at: a token bucket in front of the cryptography.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Packets a second from one address; many nodes may share it.
const PER_SECOND: f64 = 20_000.0;
/// Packets at once.
const BURST: f64 = 20_000.0;
/// Addresses remembered; when there are more, those that were quiet for a second are forgotten, else all of them.
const ADDRESSES_MAX: usize = 4096;
const QUIET: Duration = Duration::from_secs(1);

struct Bucket {
    tokens: f64,
    at: Duration,
}

/// The buckets of all addresses heard of lately.
#[derive(Default)]
pub(crate) struct Gate(BTreeMap<IpAddr, Bucket>);

impl Gate {
    /// May one more packet of this address be looked at?
    pub(crate) fn lets_in(&mut self, from: IpAddr, now: Duration) -> bool {
        self.make_room(from, now);
        let bucket = self.0.entry(from).or_insert(Bucket { tokens: BURST, at: now });
        let since = now.saturating_sub(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * PER_SECOND).min(BURST);
        bucket.at = now;
        let is_in = bucket.tokens >= 1.0;
        bucket.tokens -= if is_in { 1.0 } else { 0.0 };
        is_in
    }

    fn make_room(&mut self, from: IpAddr, now: Duration) {
        if self.0.len() < ADDRESSES_MAX || self.0.contains_key(&from) {
            return;
        }
        self.0.retain(|_, bucket| now < bucket.at + QUIET);
        if self.0.len() >= ADDRESSES_MAX {
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn one_address_gets_its_rate_and_does_not_slow_another() {
        let mut gate = Gate::default();
        let let_in = (0..50_000).filter(|_| gate.lets_in(address(1), Duration::ZERO)).count();
        assert_eq!(let_in, BURST as usize);
        assert!(gate.lets_in(address(2), Duration::ZERO));
        let later = Duration::from_millis(500);
        assert_eq!((0..50_000).filter(|_| gate.lets_in(address(1), later)).count(), PER_SECOND as usize / 2);
    }

    #[test]
    fn the_addresses_are_bounded() {
        let mut gate = Gate::default();
        for number in 0..20_000 {
            gate.lets_in(address(number), Duration::ZERO);
            assert!(gate.0.len() <= ADDRESSES_MAX);
        }
    }
}
