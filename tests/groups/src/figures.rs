//! Latencies as people read them.

use std::time::Duration;

/// Gathered latencies of one run.
#[derive(Default)]
pub struct Figures {
    sorted_us: Vec<u64>,
    took: Duration,
    errors: usize,
}

impl Figures {
    /// Of these latencies, gathered in so much time, beside so many failures.
    pub fn new(latencies: Vec<Duration>, took: Duration, errors: usize) -> Self {
        let mut sorted_us: Vec<u64> = latencies.iter().map(|one| one.as_micros() as u64).collect();
        sorted_us.sort_unstable();
        Self { sorted_us, took, errors }
    }

    /// How many succeeded.
    pub fn count(&self) -> usize {
        self.sorted_us.len()
    }

    /// How many failed.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.sorted_us.len() as f64 / self.took.as_secs_f64()
    }

    /// A quantile, in ms.
    pub fn ms(&self, quantile: f64) -> f64 {
        let at =
            ((self.sorted_us.len() as f64 * quantile) as usize).min(self.sorted_us.len().saturating_sub(1));
        self.sorted_us.get(at).map_or(0.0, |us| *us as f64 / 1000.0)
    }

    /// `n, rate, p50, p99, max`.
    pub fn text(&self) -> String {
        let errors = if self.errors == 0 { String::new() } else { format!(", {} failed", self.errors) };
        format!(
            "{:.0}/s, p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms (n={}{errors})",
            self.rate(),
            self.ms(0.5),
            self.ms(0.99),
            self.ms(1.0),
            self.sorted_us.len(),
        )
    }
}

/// One row of the table.
pub fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}
