//! Rates and latencies.

use std::time::Duration;

/// What one measurement came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) rate: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Figures {
    /// From each operation's time in nanoseconds.
    pub(crate) fn new(mut nanos: Vec<u64>, took: Duration) -> Self {
        nanos.sort_unstable();
        let at = |part: f64| nanos.get((nanos.len() as f64 * part) as usize).map_or(0.0, |n| *n as f64 / 1e3);
        Self { rate: nanos.len() as f64 / took.as_secs_f64(), p50_us: at(0.5), p99_us: at(0.99) }
    }
}

/// The round with the median rate, and the best rate.
pub(crate) fn median(rounds: &mut [Figures]) -> String {
    rounds.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    let (middle, best) = (&rounds[rounds.len() / 2], &rounds[rounds.len() - 1]);
    format!("{:.0} ({:.0}) | {:.0} µs | {:.0} µs", middle.rate, best.rate, middle.p50_us, middle.p99_us)
}
