//! Numbers that shards report, over time: histograms that merge, and windows of a job's history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::WorkflowIx;
use crate::job::StatTotals;

/// A histogram's buckets: below 1 KiB encoded.
pub const HISTOGRAM_BUCKETS_MAX: usize = 128;
/// Buckets per power of two of the histograms that workers make: a quantile is off by less than a tenth.
pub const HISTOGRAM_SCALE: u8 = 4;

/// Counts by bucket: bucket `b` holds values in `[2^(b/scale), 2^((b+1)/scale))`. The smallest bucket also holds what
/// is not above zero.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Histogram {
    /// Buckets per power of two. Only histograms of one scale can be merged.
    pub scale: u8,
    /// Counts, by bucket.
    pub buckets: BTreeMap<i16, u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty one, as workers make them.
    pub const fn new() -> Self {
        Self { scale: HISTOGRAM_SCALE, buckets: BTreeMap::new() }
    }

    /// Counts one value.
    pub fn record(&mut self, value: f64) {
        self.add(self.bucket(value), 1);
    }

    /// Adds another of the same scale; `false`: it has another scale or too many buckets, and nothing changed.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        let fits = self.scale == other.scale && other.buckets.len() <= HISTOGRAM_BUCKETS_MAX;
        if fits {
            other.buckets.iter().for_each(|(bucket, count)| self.add(*bucket, *count));
        }
        fits
    }

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.buckets.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The value that a share `q` (0..1) of all values does not exceed: the middle of its bucket. `None` when empty.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let rank = (q.clamp(0.0, 1.0) * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0_u64;
        let reached = self.buckets.iter().find(|(_, count)| {
            seen = seen.saturating_add(**count);
            seen >= rank
        });
        reached.map(|(bucket, _)| self.middle(*bucket))
    }

    fn middle(&self, bucket: i16) -> f64 {
        match bucket {
            i16::MIN => 0.0,
            bucket => ((f64::from(bucket) + 0.5) / f64::from(self.scale.max(1))).exp2(),
        }
    }

    fn bucket(&self, value: f64) -> i16 {
        match value > 0.0 {
            true => (value.log2() * f64::from(self.scale)).floor() as i16,
            false => i16::MIN,
        }
    }

    fn add(&mut self, bucket: i16, count: u64) {
        let sum = self.buckets.entry(bucket).or_default();
        *sum = sum.saturating_add(count);
        while self.buckets.len() > HISTOGRAM_BUCKETS_MAX {
            self.fold_lowest();
        }
    }

    /// The two lowest buckets become one: the tail that people look at stays exact.
    fn fold_lowest(&mut self) {
        let Some((_, lowest)) = self.buckets.pop_first() else { return };
        if let Some(mut next) = self.buckets.first_entry() {
            *next.get_mut() = next.get().saturating_add(lowest);
        }
    }
}

/// One window of one workflow, over all its shards in one datacenter.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StatsWindow {
    /// The workflow.
    pub workflow: WorkflowIx,
    /// Where the window starts, ms since 1970.
    pub start_ms: u64,
    /// Its width, milliseconds: 1 s, or more for older history.
    pub width_ms: u64,
    /// Sums of the samples in the window, by name.
    pub counters: StatTotals,
    /// Distributions of the samples in the window, by name. Merge histograms, never percentiles.
    pub histograms: BTreeMap<String, Histogram>,
    /// Samples that came after their own window was closed, and were put into this one.
    pub late: u64,
}

/// A job's numbers over time in one datacenter, by workflow, then by start.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct StatsHistory {
    /// The windows.
    pub windows: Vec<StatsWindow>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_within_its_bucket_and_merging_adds_counts() {
        let mut low = Histogram::new();
        (1..=100).for_each(|value| low.record(f64::from(value)));
        let mut high = Histogram::new();
        (101..=200).for_each(|value| high.record(f64::from(value)));
        assert!(low.merge(&high));
        assert_eq!(low.count(), 200);
        let median = low.quantile(0.5).unwrap();
        assert!((90.0..=112.0).contains(&median), "{median}");
        let tail = low.quantile(0.99).unwrap();
        assert!((180.0..=220.0).contains(&tail), "{tail}");
    }

    #[test]
    fn what_is_not_above_zero_is_in_the_smallest_bucket_and_an_empty_one_has_no_quantile() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), None);
        histogram.record(-3.0);
        histogram.record(0.0);
        assert_eq!((histogram.quantile(0.5), histogram.buckets.len()), (Some(0.0), 1));
    }

    #[test]
    fn histograms_of_different_scale_are_not_merged() {
        let mut fine = Histogram::new();
        fine.record(2.0);
        let coarse = Histogram { scale: 1, buckets: BTreeMap::from([(1, 1)]) };
        assert!(!fine.merge(&coarse));
        assert_eq!(fine.count(), 1);
    }

    #[test]
    fn too_many_buckets_fold_at_the_low_end() {
        let mut histogram = Histogram::new();
        (0..200).for_each(|power| histogram.record((f64::from(power) / 4.0).exp2()));
        assert_eq!((histogram.buckets.len(), histogram.count()), (HISTOGRAM_BUCKETS_MAX, 200));
    }
}
