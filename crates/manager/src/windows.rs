//! Cumulative numbers of attempts turned into windows by workflow and worker.

use std::collections::BTreeMap;

use muster_wire::job::{AttemptKey, StatTotal, StatTotals};
use muster_wire::{NodeId, WorkflowIx};

use crate::machine::{WINDOW_MS, Window, WindowRow};

/// Buckets per power of two.
const SCALE: u8 = 4;

/// The window that is open, and what each attempt had reported before it.
#[derive(Default)]
pub(crate) struct Windows {
    seen: BTreeMap<AttemptKey, StatTotals>,
    open: BTreeMap<(WorkflowIx, NodeId), Window>,
    last_start_ms: u64,
}

impl Windows {
    /// Adds what is new in an attempt's totals.
    pub(crate) fn add(&mut self, key: AttemptKey, worker: NodeId, totals: &StatTotals) {
        if totals.is_empty() {
            return;
        }
        let before = self.seen.insert(key, totals.clone()).unwrap_or_default();
        let window = self.open.entry((key.workflow, worker)).or_default();
        for (name, total) in totals {
            add_total(window, name, &since(before.get(name), total));
        }
    }

    /// Closes the open window; each one starts after the last.
    pub(crate) fn close(&mut self, unix_ms: u64) -> Vec<WindowRow> {
        let start_ms = (unix_ms - unix_ms % WINDOW_MS).max(self.last_start_ms + WINDOW_MS);
        let open = std::mem::take(&mut self.open);
        if !open.is_empty() {
            self.last_start_ms = start_ms;
        }
        let rows = open.into_iter().map(|((workflow, source), window)| WindowRow {
            workflow,
            source,
            start_ms,
            window,
        });
        rows.collect()
    }

    /// Forgets attempts.
    pub(crate) fn keep(&mut self, keep: impl Fn(&AttemptKey) -> bool) {
        self.seen.retain(|key, _| keep(key));
    }
}

fn since(before: Option<&StatTotal>, now: &StatTotal) -> StatTotal {
    let (count, sum) = before.map_or((0, 0.0), |before| (before.count, before.sum));
    StatTotal { count: now.count.saturating_sub(count), sum: now.sum - sum, min: now.min, max: now.max }
}

fn add_total(window: &mut Window, name: &str, more: &StatTotal) {
    if more.count == 0 {
        return;
    }
    let mean = more.sum / more.count as f64;
    let histogram = window.histograms.entry(name.to_owned()).or_default();
    histogram.scale = SCALE;
    *histogram.buckets.entry(bucket(mean)).or_default() += more.count;
    let sum = window.counters.entry(name.to_owned()).or_insert_with(|| StatTotal {
        count: 0,
        sum: 0.0,
        ..more.clone()
    });
    sum.count += more.count;
    sum.sum += more.sum;
    sum.min = sum.min.min(more.min);
    sum.max = sum.max.max(more.max);
}

/// The bucket of a value; the smallest for what is not above zero.
fn bucket(value: f64) -> i16 {
    match value > 0.0 {
        true => (value.log2() * f64::from(SCALE)).floor() as i16,
        false => i16::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::key;

    fn totals(count: u64, sum: f64) -> StatTotals {
        StatTotals::from([("rows".into(), StatTotal { count, sum, min: 1.0, max: 4.0 })])
    }

    #[test]
    fn a_window_holds_what_came_since_the_last_one() {
        let mut windows = Windows::default();
        windows.add(key(0, 0, 1), NodeId(1), &totals(2, 4.0));
        windows.add(key(0, 1, 1), NodeId(1), &totals(1, 4.0));
        let first = windows.close(10_500);
        assert_eq!((first.len(), first[0].start_ms), (1, 10_000));
        assert_eq!(first[0].window.counters["rows"].sum, 8.0);
        windows.add(key(0, 0, 1), NodeId(1), &totals(3, 5.0));
        let second = windows.close(10_600);
        assert_eq!((second[0].start_ms, second[0].window.counters["rows"].count), (11_000, 1));
    }

    #[test]
    fn buckets_are_quarters_of_powers_of_two() {
        assert_eq!([bucket(1.0), bucket(2.0), bucket(0.0), bucket(-3.0)], [0, 4, i16::MIN, i16::MIN]);
    }
}
