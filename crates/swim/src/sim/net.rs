//! What happens to packets on their way.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::Place;

/// Shortest and longest way, in microseconds.
const DELAY_US: std::ops::Range<u64> = 250..1000;
/// A packet that is overtaken is this much later, at most, in microseconds.
const OVERTAKEN_US: std::ops::Range<u64> = 1000..50_000;
/// First wait for the answer to a SYN, and for the acknowledgement of data: what Linux does.
const SYN_WAIT: Duration = Duration::from_secs(1);
const DATA_WAIT: Duration = Duration::from_millis(200);
/// A stream is given up after this.
const STREAM_TIMEOUT: Duration = Duration::from_secs(3);

/// The network's faults.
#[derive(Clone, Debug, Default)]
pub struct Net {
    /// Share of packets lost, each by itself.
    pub loss: f64,
    /// Share of datagrams that come twice.
    pub twice: f64,
    /// Share of datagrams that others overtake.
    pub overtaken: f64,
    /// Ways that are cut, in one direction each.
    pub cut: BTreeSet<(Place, Place)>,
    /// Longer datagrams are dropped; 0: none is.
    pub mtu: usize,
    /// The machine of a node that is gone still answers: nobody listens there.
    pub refuses: bool,
}

impl Net {
    /// Cuts every way between the two sides, both ways.
    pub fn part(&mut self, one: &[Place], other: &[Place]) {
        for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))) {
            self.cut.extend([(a, b), (b, a)]);
        }
    }

    /// When a datagram arrives; never, once or twice.
    pub(super) fn delays(&self, way: (Place, Place), bytes: usize, rng: &mut StdRng) -> Vec<Duration> {
        match self.cut.contains(&way) || self.is_too_long(bytes) {
            true => Vec::new(),
            false => self.copies(rng),
        }
    }

    const fn is_too_long(&self, bytes: usize) -> bool {
        self.mtu > 0 && bytes > self.mtu
    }

    fn copies(&self, rng: &mut StdRng) -> Vec<Duration> {
        let copies = 1 + usize::from(chance(self.twice, rng));
        (0..copies).filter_map(|_| self.delay(rng)).collect()
    }

    fn delay(&self, rng: &mut StdRng) -> Option<Duration> {
        if chance(self.loss, rng) {
            return None;
        }
        let late = match chance(self.overtaken, rng) {
            true => rng.random_range(OVERTAKEN_US),
            false => 0,
        };
        Some(Duration::from_micros(rng.random_range(DELAY_US) + late))
    }

    /// How long until a question over a new stream arrives.
    pub(super) fn connect(&self, way: (Place, Place), rng: &mut StdRng) -> Option<Duration> {
        let opened = self.exchange(way, SYN_WAIT, rng)?;
        let asked = self.exchange(way, DATA_WAIT, rng)?;
        Some(opened + asked).filter(|all| *all < STREAM_TIMEOUT)
    }

    /// How long until an answer on an open stream arrives.
    pub(super) fn resend(&self, way: (Place, Place), rng: &mut StdRng) -> Option<Duration> {
        self.exchange(way, DATA_WAIT, rng)
    }

    /// A segment and its acknowledgement, repeated with doubled waits until both come through.
    fn exchange(&self, (from, to): (Place, Place), wait: Duration, rng: &mut StdRng) -> Option<Duration> {
        if self.cut.contains(&(from, to)) || self.cut.contains(&(to, from)) {
            return None;
        }
        let waited = self.repeated(wait, rng)?;
        Some(waited + Duration::from_micros(2 * rng.random_range(DELAY_US)))
    }

    /// How long was waited for segments that were lost.
    fn repeated(&self, wait: Duration, rng: &mut StdRng) -> Option<Duration> {
        let mut waited = Duration::ZERO;
        let mut next = wait;
        while self.is_lost(rng) {
            waited += next;
            next *= 2;
            if waited >= STREAM_TIMEOUT {
                return None;
            }
        }
        Some(waited)
    }

    fn is_lost(&self, rng: &mut StdRng) -> bool {
        let both = (1.0 - self.loss) * (1.0 - self.loss);
        chance(1.0 - both, rng)
    }
}

/// Draws nothing where there is no chance.
fn chance(probability: f64, rng: &mut StdRng) -> bool {
    probability > 0.0 && rng.random_bool(probability)
}
