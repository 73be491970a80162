//! `flush_stats_window`: numbers of one window, by workflow and worker.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use serde::{Deserialize, Serialize};

use super::{RowsApplied, ensure, outcome};
use crate::machine::limits::NODES_MAX;
use crate::machine::record::JobRecord;
use crate::machine::state::ManagerJob;
use crate::machine::stats::WindowRow;

/// Merges windows. A row of a window that its worker has closed before is stale and skipped. Refused: too many workers
/// (`LimitReached`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FlushStatsWindow {
    /// The rows.
    pub rows: Vec<WindowRow>,
}

impl Apply<ManagerJob> for FlushStatsWindow {
    fn apply(self, state: &mut ManagerJob, _: Stamp) -> Outcome {
        outcome(self.flush(state))
    }
}

impl FlushStatsWindow {
    fn flush(self, state: &mut ManagerJob) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        let fits = record.stats.sources() + self.rows.len() <= NODES_MAX;
        ensure(fits, || Reason::LimitReached { what: "workers that report numbers".into() })?;
        let mut rows = RowsApplied::default();
        for (position, row) in self.rows.iter().enumerate() {
            rows.count(position, merge(record, row));
        }
        Ok(rows.outcome())
    }
}

fn merge(record: &mut JobRecord, row: &WindowRow) -> bool {
    let known = record.workflow(row.workflow).is_some();
    let fresh = known & !record.stats.is_closed(row);
    if fresh {
        add(record, row);
    }
    fresh
}

fn add(record: &mut JobRecord, row: &WindowRow) {
    let merged = record.stats.add(row);
    if let Some(workflow) = record.workflows.get_mut(&row.workflow).filter(|_| !merged) {
        workflow.note_unmergeable("histograms that cannot be merged");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, window};
    use muster_wire::WorkflowIx;

    #[test]
    fn a_window_that_was_closed_is_stale_and_a_whole_repeat_is_a_noop() {
        let mut world = World::started();
        world.applied(&window(5));
        world.same(&window(5));
        let rows = [window(5).rows, window(6).rows].concat();
        let reply = world.applied(&FlushStatsWindow { rows }).unwrap();
        assert_eq!(reply, RowsApplied { applied: 1, stale: vec![0] });
        assert_eq!(world.record().stats.windows(WorkflowIx(0)).count(), 2);
    }

    #[test]
    fn incompatible_histograms_make_the_workflow_unmergeable() {
        let mut world = World::started();
        world.applied(&window(5));
        let mut other = window(5);
        other.rows[0].source = muster_wire::NodeId(99);
        other.rows[0].window.histograms.values_mut().for_each(|histogram| histogram.scale += 1);
        world.applied(&other);
        assert!(world.workflow(0).unmergeable().is_some());
    }
}
