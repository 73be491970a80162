//! A job's numbers over time, as they are asked for and as they go to the gates.

use muster_wire::WorkflowIx;
use muster_wire::stats::{StatsHistory, StatsWindow};

use super::record::JobRecord;
use super::stats::{WINDOW_MS, Window};

/// What of the history goes into the job's result, bytes by estimate.
const RESULT_BYTES_MAX: u64 = 64 * 1024;
/// The widest window in the job's result: about 12 days.
const STEP_MS_MAX: u64 = WINDOW_MS << 20;

/// What of the history is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Of this workflow only.
    pub workflow: Option<WorkflowIx>,
    /// Windows that start at or after, ms since 1970.
    pub from_ms: u64,
    /// At least so wide, milliseconds.
    pub step_ms: u64,
}

impl JobRecord {
    /// The windows that are wanted, merged to the wanted width.
    pub fn history(&self, wanted: &Wanted) -> StatsHistory {
        let mut windows: Vec<StatsWindow> = Vec::new();
        for (workflow, start_ms, window) in self.stats.all().filter(|row| wanted.takes(row)) {
            let width_ms = self.stats.width_ms(start_ms).max(wanted.step_ms);
            let start_ms = start_ms - start_ms % width_ms;
            match windows.last_mut().filter(|last| last.workflow == workflow && last.start_ms >= start_ms) {
                Some(last) => merge(last, window),
                None => windows.push(wire(workflow, (start_ms, width_ms), window)),
            }
        }
        StatsHistory { windows }
    }

    /// The whole history, as fine as the bound of a result allows.
    pub fn final_history(&self) -> StatsHistory {
        let mut step_ms = WINDOW_MS;
        loop {
            let history = self.history(&Wanted { step_ms, ..Wanted::default() });
            if bytes(&history) <= RESULT_BYTES_MAX {
                return history;
            }
            if step_ms >= STEP_MS_MAX {
                return StatsHistory::default();
            }
            step_ms *= 2;
        }
    }
}

impl Wanted {
    fn takes(&self, (workflow, start_ms, _): &(WorkflowIx, u64, &Window)) -> bool {
        self.workflow.is_none_or(|wanted| wanted == *workflow) & (*start_ms >= self.from_ms)
    }
}

fn wire(workflow: WorkflowIx, (start_ms, width_ms): (u64, u64), window: &Window) -> StatsWindow {
    StatsWindow {
        workflow,
        start_ms,
        width_ms,
        counters: window.counters.clone(),
        histograms: window.histograms.clone(),
        late: window.late,
    }
}

fn merge(into: &mut StatsWindow, window: &Window) {
    let mut sum = Window {
        counters: std::mem::take(&mut into.counters),
        histograms: std::mem::take(&mut into.histograms),
        late: into.late,
    };
    // Histograms that do not merge made the workflow one that cannot be aggregated when they came.
    let _merged = sum.merge(window);
    (into.counters, into.histograms, into.late) = (sum.counters, sum.histograms, sum.late);
}

fn bytes(history: &StatsHistory) -> u64 {
    let of = |window: &StatsWindow| {
        let window = Window {
            counters: window.counters.clone(),
            histograms: window.histograms.clone(),
            late: window.late,
        };
        window.bytes()
    };
    history.windows.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, window};

    #[test]
    fn windows_are_merged_to_the_wanted_width_and_nothing_is_lost() {
        let mut world = World::started();
        (4..10).for_each(|second| drop(world.applied(&window(second))));
        let fine = world.record().history(&Wanted::default());
        assert_eq!(fine.windows.len(), 6);
        let coarse = world.record().history(&Wanted { step_ms: 4_000, ..Wanted::default() });
        let counts: Vec<_> =
            coarse.windows.iter().map(|row| (row.start_ms, row.counters["rows"].count)).collect();
        assert_eq!(counts, [(4_000, 4), (8_000, 2)]);
        assert_eq!(coarse.windows[0].histograms["rows"].count(), 4);
    }

    #[test]
    fn a_time_and_a_workflow_limit_the_answer() {
        let mut world = World::started();
        (4..10).for_each(|second| drop(world.applied(&window(second))));
        let late = Wanted { from_ms: 8_000, ..Wanted::default() };
        assert_eq!(world.record().history(&late).windows.len(), 2);
        let other = Wanted { workflow: Some(WorkflowIx(1)), ..Wanted::default() };
        assert!(world.record().history(&other).windows.is_empty());
    }

    #[test]
    fn the_history_of_a_result_is_bounded() {
        let mut world = World::started();
        (1..2_000).for_each(|second| drop(world.applied(&window(second))));
        let history = world.record().final_history();
        assert!(bytes(&history) <= RESULT_BYTES_MAX && !history.windows.is_empty());
        let counted: u64 = history.windows.iter().map(|row| row.counters["rows"].count).sum();
        assert_eq!(counted, 1_999);
    }
}
