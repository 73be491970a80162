//! Medians and tails.

use std::time::Duration;

/// Durations of one kind of operation.
#[derive(Default)]
pub(super) struct Samples(Vec<Duration>);

impl Samples {
    pub(super) fn add(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub(super) fn extend(&mut self, samples: impl IntoIterator<Item = Duration>) {
        self.0.extend(samples);
    }

    fn at(&mut self, share: f64) -> f64 {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.0.get(at).map_or(f64::NAN, |sample| sample.as_secs_f64() * 1e3)
    }

    /// `n=… p50 … p99 … max … ms`
    pub(super) fn line(&mut self) -> String {
        let count = self.0.len();
        format!(
            "n={count} p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            self.at(0.5),
            self.at(0.99),
            self.at(1.0)
        )
    }
}
