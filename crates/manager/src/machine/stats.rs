//! Numbers over time: windows of counters and histograms, at falling resolution.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use muster_wire::job::{StatTotal, StatTotals};
use muster_wire::stats::{HISTOGRAM_BUCKETS_MAX, Histogram};
use muster_wire::{NodeId, WorkflowIx};
use serde::{Deserialize, Serialize};

use super::limits::{STAT_NAMES_MAX, STATS_BYTES_MAX};

/// The finest window, milliseconds.
pub const WINDOW_MS: u64 = 1_000;
/// Widths beyond the finest; where they are not enough the first windows are dropped.
const LEVELS_MAX: usize = 12;
/// An estimate of what one name of one window takes encoded.
const CELL_BYTES: usize = 64;
/// An estimate of what one bucket takes encoded.
const BUCKET_BYTES: usize = 8;

/// What one window of one workflow holds.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Window {
    /// Sums within the window.
    pub counters: StatTotals,
    /// Distributions within the window.
    pub histograms: BTreeMap<String, Histogram>,
    /// Samples that belong to an earlier window that was closed before they came.
    pub late: u64,
}

/// One window of one workflow as one worker saw it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WindowRow {
    /// The workflow.
    pub workflow: WorkflowIx,
    /// Who saw it: a worker.
    pub source: NodeId,
    /// Where the window starts, ms since 1970.
    pub start_ms: u64,
    /// What it holds.
    pub window: Window,
}

/// All windows of a job: of recent time a second wide, of earlier time ever wider.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Windows that start before the `n`-th of these are at least `2^(n+1)` seconds wide. Falls from level to level.
    levels: Vec<u64>,
    windows: OrdMap<(WorkflowIx, u64), Arc<Window>>,
    /// The newest window that each source has closed.
    closed: OrdMap<(WorkflowIx, NodeId), u64>,
    bytes: u64,
}

impl Stats {
    /// The width of the windows at a time, milliseconds.
    pub fn width_ms(&self, start_ms: u64) -> u64 {
        let coarser = self.levels.iter().take_while(|before_ms| start_ms < **before_ms).count();
        WINDOW_MS << coarser
    }

    /// The windows of a workflow by start.
    pub fn windows(&self, workflow: WorkflowIx) -> impl Iterator<Item = (u64, &Window)> {
        let range = (workflow, 0)..=(workflow, u64::MAX);
        self.windows.range(range).map(|((_, start_ms), window)| (*start_ms, window.as_ref()))
    }

    /// Every window, by workflow and start.
    pub fn all(&self) -> impl Iterator<Item = (WorkflowIx, u64, &Window)> {
        self.windows.iter().map(|((workflow, start_ms), window)| (*workflow, *start_ms, window.as_ref()))
    }

    /// Sources that have closed a window.
    pub fn sources(&self) -> usize {
        self.closed.len()
    }

    /// The newest window that a source has closed.
    pub fn newest(&self, workflow: WorkflowIx, source: NodeId) -> Option<u64> {
        self.closed.get(&(workflow, source)).copied()
    }

    /// Has this source closed this window before?
    pub fn is_closed(&self, row: &WindowRow) -> bool {
        self.closed.get(&(row.workflow, row.source)).is_some_and(|newest| row.start_ms <= *newest)
    }

    /// Merges one window of one source; `false`: a histogram could not be merged.
    pub(super) fn add(&mut self, row: &WindowRow) -> bool {
        self.closed.insert((row.workflow, row.source), row.start_ms);
        let merged = self.put(row.workflow, row.start_ms, &row.window);
        while self.bytes > STATS_BYTES_MAX as u64 {
            self.shrink();
        }
        merged
    }

    fn put(&mut self, workflow: WorkflowIx, start_ms: u64, window: &Window) -> bool {
        let at = (workflow, start_ms - start_ms % self.width_ms(start_ms));
        let mut sum = self.windows.get(&at).map(|known| (**known).clone()).unwrap_or_default();
        let before = bytes_of(&sum);
        let merged = sum.merge(window);
        self.bytes = (self.bytes + bytes_of(&sum)).saturating_sub(before);
        self.windows.insert(at, Arc::new(sum));
        merged
    }

    /// The older half of the level that holds most becomes the next coarser one; beyond the last level the first
    /// window goes.
    fn shrink(&mut self) {
        match self.fullest() {
            Some((level, middle_ms)) => self.coarsen(level, middle_ms),
            None => self.drop_first(),
        }
    }

    /// The level with the most windows, and the start of its middle one.
    fn fullest(&self) -> Option<(usize, u64)> {
        let mut starts: Vec<Vec<u64>> = vec![Vec::new(); LEVELS_MAX + 1];
        for (_, start_ms) in self.windows.keys() {
            let level = self.levels.iter().take_while(|before_ms| start_ms < before_ms).count();
            starts[level.min(LEVELS_MAX)].push(*start_ms);
        }
        let (level, starts) =
            starts.iter_mut().enumerate().take(LEVELS_MAX).max_by_key(|(_, of)| of.len())?;
        starts.sort_unstable();
        let middle_ms = starts.get(starts.len() / 2).filter(|_| starts.len() > 1)?;
        Some((level, *middle_ms))
    }

    fn coarsen(&mut self, level: usize, middle_ms: u64) {
        let width_ms = WINDOW_MS << (level + 1);
        let before_ms = middle_ms - middle_ms % width_ms + width_ms;
        match self.levels.get_mut(level) {
            Some(known) => *known = before_ms,
            None => self.levels.push(before_ms),
        }
        let known = std::mem::take(&mut self.windows);
        self.bytes = 0;
        for ((workflow, start_ms), window) in known {
            self.put(workflow, start_ms, &window);
        }
    }

    fn drop_first(&mut self) {
        let Some((at, window)) = self.windows.get_min().cloned() else { return self.bytes = 0 };
        self.windows.remove(&at);
        self.bytes = self.bytes.saturating_sub(bytes_of(&window));
    }
}

fn bytes_of(window: &Window) -> u64 {
    let buckets: usize = window.histograms.values().map(|histogram| histogram.buckets.len()).sum();
    ((1 + window.counters.len() + window.histograms.len()) * CELL_BYTES + buckets * BUCKET_BYTES) as u64
}

impl Window {
    /// Adds another window's numbers; `false`: a histogram could not be merged.
    pub fn merge(&mut self, more: &Self) -> bool {
        self.late = self.late.saturating_add(more.late);
        add_totals(&mut self.counters, &more.counters);
        let mut merged = true;
        for (name, histogram) in more.histograms.iter().take(STAT_NAMES_MAX) {
            merged &= merge_histogram(&mut self.histograms, name, histogram);
        }
        merged
    }

    /// About how much of a snapshot it takes, bytes.
    pub fn bytes(&self) -> u64 {
        bytes_of(self)
    }
}

fn merge_histogram(sum: &mut BTreeMap<String, Histogram>, name: &str, more: &Histogram) -> bool {
    match sum.get_mut(name) {
        Some(known) => known.merge(more),
        None => put_histogram(sum, name, more),
    }
}

fn put_histogram(sum: &mut BTreeMap<String, Histogram>, name: &str, more: &Histogram) -> bool {
    let fits = sum.len() < STAT_NAMES_MAX && more.buckets.len() <= HISTOGRAM_BUCKETS_MAX;
    if fits {
        sum.insert(name.to_owned(), more.clone());
    }
    fits
}

/// Adds totals by name; answers how many names did not fit. Numbers that are not finite are left out.
pub(super) fn add_totals(sum: &mut StatTotals, more: &StatTotals) -> usize {
    let finite = more.iter().filter(|(_, total)| is_finite(total));
    finite.filter(|(name, total)| !add_total(sum, name, total)).count()
}

fn is_finite(total: &StatTotal) -> bool {
    [total.sum, total.min, total.max].iter().all(|number| number.is_finite())
}

fn add_total(sum: &mut StatTotals, name: &str, more: &StatTotal) -> bool {
    match sum.get_mut(name) {
        Some(known) => add_known(known, more),
        None => put_total(sum, name, more),
    }
}

fn add_known(known: &mut StatTotal, more: &StatTotal) -> bool {
    known.count = known.count.saturating_add(more.count);
    known.sum += more.sum;
    known.min = known.min.min(more.min);
    known.max = known.max.max(more.max);
    true
}

fn put_total(sum: &mut StatTotals, name: &str, more: &StatTotal) -> bool {
    let fits = sum.len() < STAT_NAMES_MAX;
    if fits {
        sum.insert(name.to_owned(), more.clone());
    }
    fits
}

#[cfg(test)]
#[path = "stats_test.rs"]
mod stats_test;
