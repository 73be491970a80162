//! Metrics of hot paths. Finding a metric by its labels costs more than counting: here it is done once for each set of
//! labels, and the handle is kept.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use metrics::{Counter, Gauge, Histogram, Label};

/// Handles from before the process has a recorder record nothing, ever.
static RECORDED: AtomicBool = AtomicBool::new(false);

/// The process has a recorder: handles may be kept from now on.
pub fn recorder_installed() {
    RECORDED.store(true, Ordering::Release);
}

/// One metric with the handles of all sets of labels in use. Labels are of the program's text, so there are few.
pub struct Meter<T, const N: usize> {
    name: &'static str,
    labels: [&'static str; N],
    find: fn(&'static str, Vec<Label>) -> T,
    kept: RwLock<BTreeMap<[&'static str; N], T>>,
}

impl<const N: usize> Meter<Counter, N> {
    /// Counters of this name, told apart by these labels.
    pub const fn counters(name: &'static str, labels: [&'static str; N]) -> Self {
        Self::new((name, labels), |name, labels| metrics::counter!(name, labels))
    }

    /// One more with these values of the labels.
    pub fn count(&self, values: [&'static str; N]) {
        self.with(values).increment(1);
    }
}

impl<const N: usize> Meter<Gauge, N> {
    /// Gauges of this name, told apart by these labels.
    pub const fn gauges(name: &'static str, labels: [&'static str; N]) -> Self {
        Self::new((name, labels), |name, labels| metrics::gauge!(name, labels))
    }

    /// The level for these values of the labels.
    pub fn set(&self, values: [&'static str; N], level: f64) {
        self.with(values).set(level);
    }
}

impl<const N: usize> Meter<Histogram, N> {
    /// Histograms of this name, told apart by these labels.
    pub const fn histograms(name: &'static str, labels: [&'static str; N]) -> Self {
        Self::new((name, labels), |name, labels| metrics::histogram!(name, labels))
    }

    /// One sample for these values of the labels.
    pub fn record(&self, values: [&'static str; N], sample: f64) {
        self.with(values).record(sample);
    }
}

impl<T, const N: usize> Meter<T, N> {
    const fn new(
        (name, labels): (&'static str, [&'static str; N]),
        find: fn(&'static str, Vec<Label>) -> T,
    ) -> Self {
        Self { name, labels, find, kept: RwLock::new(BTreeMap::new()) }
    }
}

impl<T: Clone, const N: usize> Meter<T, N> {
    fn with(&self, values: [&'static str; N]) -> T {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner).get(&values).cloned();
        kept.unwrap_or_else(|| self.found(values))
    }

    fn found(&self, values: [&'static str; N]) -> T {
        let labels = self.labels.iter().zip(values).map(|(label, value)| Label::new(*label, value)).collect();
        let found = (self.find)(self.name, labels);
        if RECORDED.load(Ordering::Acquire) {
            self.kept.write().unwrap_or_else(PoisonError::into_inner).insert(values, found.clone());
        }
        found
    }
}
