//! Rates and latencies.

use std::{fmt, time::Duration};

/// What one turn came to.
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

/// One figure over all rounds, written as `median (least–most)`.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl FromIterator<f64> for Spread {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |at: usize| values.get(at).copied().unwrap_or_default();
        Self { median: at(values.len() / 2), least: at(0), most: at(values.len().saturating_sub(1)) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(0);
        write!(f, "{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.least, self.most)
    }
}
