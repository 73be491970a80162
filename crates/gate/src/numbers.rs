//! Merges the numbers of a job's datacenters: histograms are added bucket by bucket, never percentiles averaged.

use std::collections::BTreeMap;

use muster_wire::WorkflowIx;
use muster_wire::job::StatTotal;
use muster_wire::stats::{Histogram, StatsHistory, StatsWindow};

/// One history of several, by workflow, then by start. Windows become as wide as the widest of them, and at least
/// `step_ms`.
pub fn merged(parts: Vec<StatsHistory>, step_ms: u64) -> StatsHistory {
    let windows = || parts.iter().flat_map(|part| &part.windows);
    let width_ms = windows().map(|window| window.width_ms).max().unwrap_or(1_000).max(step_ms).max(1);
    let mut sums: BTreeMap<(WorkflowIx, u64), StatsWindow> = BTreeMap::new();
    for window in windows() {
        let start_ms = window.start_ms - window.start_ms % width_ms;
        let sum = sums.entry((window.workflow, start_ms)).or_insert_with(|| StatsWindow {
            workflow: window.workflow,
            start_ms,
            width_ms,
            counters: BTreeMap::new(),
            histograms: BTreeMap::new(),
            late: 0,
        });
        add(sum, window);
    }
    StatsHistory { windows: sums.into_values().collect() }
}

fn add(sum: &mut StatsWindow, more: &StatsWindow) {
    for (name, total) in &more.counters {
        sum.counters
            .entry(name.clone())
            .and_modify(|sum| add_total(sum, total))
            .or_insert_with(|| total.clone());
    }
    for (name, histogram) in &more.histograms {
        let known = sum.histograms.entry(name.clone());
        known.and_modify(|sum| add_histogram(sum, histogram)).or_insert_with(|| histogram.clone());
    }
    sum.late = sum.late.saturating_add(more.late);
}

fn add_total(sum: &mut StatTotal, more: &StatTotal) {
    sum.count = sum.count.saturating_add(more.count);
    sum.sum += more.sum;
    sum.min = sum.min.min(more.min);
    sum.max = sum.max.max(more.max);
}

/// Histograms of another scale are left out: the totals still hold their samples.
fn add_histogram(sum: &mut Histogram, more: &Histogram) {
    if !sum.merge(more) {
        tracing::warn!("histograms of different scales cannot be merged");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start_ms: u64, width_ms: u64, values: &[f64]) -> StatsWindow {
        let mut histogram = Histogram::new();
        values.iter().for_each(|value| histogram.record(*value));
        let total = StatTotal {
            count: values.len() as u64,
            sum: values.iter().sum(),
            min: values.iter().copied().fold(f64::MAX, f64::min),
            max: values.iter().copied().fold(f64::MIN, f64::max),
        };
        StatsWindow {
            workflow: WorkflowIx(0),
            start_ms,
            width_ms,
            counters: BTreeMap::from([("ms".into(), total)]),
            histograms: BTreeMap::from([("ms".into(), histogram)]),
            late: 1,
        }
    }

    #[test]
    fn percentiles_come_from_merged_histograms_not_from_percentiles() {
        let slow = StatsHistory { windows: vec![window(1_000, 1_000, &[1_000.0])] };
        let fast = StatsHistory { windows: vec![window(1_000, 1_000, &[1.0; 99])] };
        let sum = merged(vec![slow, fast], 0);
        assert_eq!(sum.windows.len(), 1);
        let (totals, histogram) = (&sum.windows[0].counters["ms"], &sum.windows[0].histograms["ms"]);
        assert_eq!((totals.count, totals.sum, totals.min, totals.max), (100, 1_099.0, 1.0, 1_000.0));
        let p90 = histogram.quantile(0.9).unwrap();
        assert!(p90 < 2.0, "the mean of both percentiles would be about 500: {p90}");
        assert_eq!(sum.windows[0].late, 2);
    }

    #[test]
    fn windows_of_different_widths_meet_in_the_widest() {
        let fine = StatsHistory { windows: vec![window(1_000, 1_000, &[1.0]), window(2_000, 1_000, &[2.0])] };
        let coarse = StatsHistory { windows: vec![window(0, 4_000, &[3.0])] };
        let sum = merged(vec![fine, coarse], 0);
        assert_eq!(sum.windows.len(), 1);
        assert_eq!((sum.windows[0].width_ms, sum.windows[0].counters["ms"].count), (4_000, 3));
    }
}
