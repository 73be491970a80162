//! Windows of numbers on their way from workers into the log: moved from each worker's clock to wall-clock seconds, and
//! closed when no more is to come.

use std::collections::BTreeMap;

use muster_wire::rpc::worker::ShardWindow;
use muster_wire::{Generation, NodeId, NodeRef, WorkflowIx};

use crate::machine::{JobRecord, WINDOW_MS, Window, WindowRow};

/// A window is closed so long after its end: samples under way still come into it.
const CLOSE_AFTER_MS: u64 = 250;
/// A worker's clock may run away from ours by so much between two reports, milliseconds.
const DRIFT_MS: i64 = 1;

/// What a worker's monotonic clock says beside ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Offset {
    generation: Generation,
    ms: i64,
}

/// The clocks of workers. Estimated from the report that was under way for the shortest time: no wall clock of theirs is
/// trusted.
#[derive(Default)]
pub(crate) struct Offsets(BTreeMap<NodeId, Offset>);

impl Offsets {
    /// What has to be added to a worker's clock, after a report that it sent at `clock_ms` came at `unix_ms`.
    pub(crate) fn learn(&mut self, worker: &NodeRef, (clock_ms, unix_ms): (u64, u64)) -> i64 {
        let seen = unix_ms as i64 - clock_ms as i64;
        let known = self.0.get(&worker.id).filter(|known| known.generation == worker.generation);
        let ms = known.map_or(seen, |known| seen.min(known.ms.saturating_add(DRIFT_MS)));
        self.0.insert(worker.id, Offset { generation: worker.generation, ms });
        ms
    }

    /// Forgets workers that are not there any more.
    pub(crate) fn keep(&mut self, is_there: impl Fn(NodeId) -> bool) {
        self.0.retain(|worker, _| is_there(*worker));
    }
}

/// The windows of one job that are not in the log yet.
#[derive(Default)]
pub(crate) struct Windows {
    open: BTreeMap<(WorkflowIx, NodeId, u64), Window>,
    /// The newest window that each worker's start has told, by its own clock: a repeat is known by it.
    told: BTreeMap<(WorkflowIx, NodeId), (Generation, u64)>,
}

impl Windows {
    /// Takes windows that were not told before.
    pub(crate) fn take(&mut self, worker: &NodeRef, offset_ms: i64, windows: &[ShardWindow]) {
        for window in windows {
            if self.is_new(worker, window) {
                self.put(worker.id, offset_ms, window);
            }
        }
    }

    fn is_new(&mut self, worker: &NodeRef, window: &ShardWindow) -> bool {
        let told = (worker.generation, window.start_ms);
        let newest = self.told.entry((window.workflow, worker.id)).or_insert((Generation(0), 0));
        let is_new = (newest.0 != told.0) | (told.1 > newest.1) | (*newest == (Generation(0), 0));
        if is_new {
            *newest = told;
        }
        is_new
    }

    fn put(&mut self, source: NodeId, offset_ms: i64, window: &ShardWindow) {
        let start_ms = (window.start_ms as i64).saturating_add(offset_ms).max(0) as u64;
        let at = (window.workflow, source, start_ms - start_ms % WINDOW_MS);
        let more =
            Window { counters: window.counters.clone(), histograms: window.histograms.clone(), late: 0 };
        // What cannot be merged shows when the machine merges it.
        let _merged = self.open.entry(at).or_default().merge(&more);
    }

    /// Takes the windows out that are over, or all of them.
    pub(crate) fn close(&mut self, unix_ms: u64, all: Closing) -> Vec<WindowRow> {
        let is_over = |start_ms: u64| start_ms + WINDOW_MS + CLOSE_AFTER_MS <= unix_ms;
        let (over, open) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|((_, _, start_ms), _)| (all == Closing::All) | is_over(*start_ms));
        self.open = open;
        let over: BTreeMap<(WorkflowIx, NodeId, u64), Window> = over;
        let rows = over.into_iter().map(|((workflow, source, start_ms), window)| WindowRow {
            workflow,
            source,
            start_ms,
            window,
        });
        rows.collect()
    }

    /// Is nothing left?
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Windows that are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}

/// Which windows are closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Closing {
    /// Those that are over.
    Over,
    /// All: the job ends.
    All,
}

/// What came after its own window was closed goes into the next one of its worker, and is counted as late.
pub(crate) fn align(record: &JobRecord, rows: Vec<WindowRow>) -> Vec<WindowRow> {
    let mut aligned: BTreeMap<(WorkflowIx, NodeId, u64), Window> = BTreeMap::new();
    for row in rows {
        let (start_ms, late) = place(record, &row);
        let mut window = row.window;
        window.late += late;
        let _merged = aligned.entry((row.workflow, row.source, start_ms)).or_default().merge(&window);
    }
    let rows = aligned.into_iter().map(|((workflow, source, start_ms), window)| WindowRow {
        workflow,
        source,
        start_ms,
        window,
    });
    rows.collect()
}

fn place(record: &JobRecord, row: &WindowRow) -> (u64, u64) {
    match record.stats().newest(row.workflow, row.source) {
        Some(newest_ms) if row.start_ms <= newest_ms => {
            let samples = row.window.counters.values().map(|total| total.count).max();
            (newest_ms + WINDOW_MS, samples.unwrap_or_default())
        }
        _ => (row.start_ms, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, window, worker};
    use muster_wire::job::{StatTotal, StatTotals};

    fn told(start_ms: u64) -> ShardWindow {
        let total = StatTotal { count: 2, sum: 4.0, min: 1.0, max: 3.0 };
        let counters = StatTotals::from([("rows".into(), total)]);
        ShardWindow { workflow: WorkflowIx(0), start_ms, counters, histograms: BTreeMap::new() }
    }

    #[test]
    fn the_offset_of_a_clock_is_that_of_the_fastest_report() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.learn(&worker(1), (1_000, 51_040)), 50_040);
        assert_eq!(offsets.learn(&worker(1), (2_000, 52_003)), 50_003);
        assert_eq!(offsets.learn(&worker(1), (3_000, 53_900)), 50_004, "a slow report moves it by the drift");
        let restarted = NodeRef { generation: Generation(2), ..worker(1) };
        assert_eq!(offsets.learn(&restarted, (10, 90_010)), 90_000);
    }

    #[test]
    fn a_window_is_closed_a_while_after_its_end_and_told_once() {
        let mut windows = Windows::default();
        windows.take(&worker(1), 50_000, &[told(3_000), told(4_000)]);
        windows.take(&worker(1), 50_000, &[told(3_000)]);
        assert!(windows.close(54_200, Closing::Over).is_empty());
        let rows = windows.close(54_250, Closing::Over);
        assert_eq!((rows.len(), rows[0].start_ms), (1, 53_000));
        assert_eq!(rows[0].window.counters["rows"].count, 2);
        assert_eq!(windows.close(54_250, Closing::All).len(), 1);
        assert!(windows.is_empty());
    }

    #[test]
    fn what_comes_late_goes_into_the_next_window_and_is_counted() {
        let mut world = World::started();
        world.applied(&window(5));
        let rows = [window(4).rows, window(5).rows, window(6).rows].concat();
        let aligned = align(world.record(), rows);
        assert_eq!((aligned.len(), aligned[0].start_ms, aligned[0].window.late), (1, 6_000, 2));
        assert_eq!(aligned[0].window.counters["rows"].count, 3);
    }
}
