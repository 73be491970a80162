//! A job's numbers over time, and its context.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::job::StatTotal;
use crate::stats::{Histogram, StatsWindow};

/// One item of `GET /v1/jobs/{id}/stats`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StatsWindowView {
    /// The workflow's name.
    pub workflow: String,
    /// Where the window starts.
    pub window_start: String,
    /// Its width: 1,000, or more for older history.
    pub window_ms: u64,
    /// Sums by name.
    pub counters: BTreeMap<String, CounterView>,
    /// Distributions by name.
    pub distributions: BTreeMap<String, DistributionView>,
    /// Samples that came after their own window was closed.
    #[serde(default)]
    pub late: u64,
}

/// Sum of the samples of one name in a window.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CounterView {
    /// Their sum.
    pub sum: f64,
    /// The sum per second.
    pub rate: f64,
}

/// How the samples of one name in a window are spread. Percentiles are within a tenth of the true value.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct DistributionView {
    /// How many samples.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// Their mean.
    pub mean: f64,
    /// Half of them are not above this.
    pub p50: f64,
    /// Nine tenths are not above this.
    pub p90: f64,
    /// 99 of a hundred are not above this.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl StatsWindowView {
    /// The document of a window: the workflow's name and the start as text are the caller's.
    pub fn new(window: &StatsWindow, workflow: String, window_start: String) -> Self {
        let seconds = window.width_ms.max(1) as f64 / 1_000.0;
        let counter = |total: &StatTotal| CounterView { sum: total.sum, rate: total.sum / seconds };
        let counters = window.counters.iter().map(|(name, total)| (name.clone(), counter(total)));
        let distributions = window.counters.iter().map(|(name, total)| {
            let histogram = window.histograms.get(name);
            (name.clone(), DistributionView::new(total, histogram))
        });
        Self {
            workflow,
            window_start,
            window_ms: window.width_ms,
            counters: counters.collect(),
            distributions: distributions.collect(),
            late: window.late,
        }
    }
}

impl DistributionView {
    /// Of totals and, for the percentiles, a histogram. A percentile is never outside of the smallest and largest sample.
    pub fn new(total: &StatTotal, histogram: Option<&Histogram>) -> Self {
        let at = |q: f64| {
            let value = histogram.and_then(|histogram| histogram.quantile(q)).unwrap_or_default();
            value.max(total.min).min(total.max)
        };
        let mean = total.sum / total.count.max(1) as f64;
        let (count, min, max) = (total.count, total.min, total.max);
        Self { count, min, mean, p50: at(0.5), p90: at(0.9), p99: at(0.99), max }
    }
}

/// `GET /v1/jobs/{id}/context`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ContextView {
    /// Rises by one with each change; `If-Match` names it.
    pub version: u64,
    /// Every value by key.
    pub values: BTreeMap<String, Value>,
}

/// `GET /v1/jobs/{id}/context/{key}`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ContextEntry {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// The context's version.
    pub version: u64,
}

/// The answer of `PUT` and `DELETE /v1/jobs/{id}/context/{key}`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ContextWritten {
    /// The context's version now.
    pub version: u64,
    /// The value before; absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::WorkflowIx;

    #[test]
    fn percentiles_stay_within_the_samples_and_rates_are_per_second() {
        let mut histogram = Histogram::new();
        [1.0, 2.0, 3.0].into_iter().for_each(|value| histogram.record(value));
        let total = StatTotal { count: 3, sum: 6.0, min: 1.0, max: 3.0 };
        let window = StatsWindow {
            workflow: WorkflowIx(0),
            start_ms: 0,
            width_ms: 2_000,
            counters: BTreeMap::from([("rows".into(), total)]),
            histograms: BTreeMap::from([("rows".into(), histogram)]),
            late: 0,
        };
        let view = StatsWindowView::new(&window, "index".into(), "now".into());
        assert_eq!(view.counters["rows"], CounterView { sum: 6.0, rate: 3.0 });
        let spread = view.distributions["rows"];
        assert_eq!((spread.count, spread.mean), (3, 2.0));
        assert!(spread.p99 <= 3.0 && spread.p50 >= 1.0 && spread.p50 <= spread.p90);
    }
}
