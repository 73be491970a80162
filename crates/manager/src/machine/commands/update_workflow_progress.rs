//! `update_workflow_progress`: what running processes say of themselves.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::{AttemptKey, AttemptState, WorkflowStatus};
use serde::{Deserialize, Serialize};

use super::{RowsApplied, outcome};
use crate::machine::record::JobRecord;
use crate::machine::shard::{Progress, ShardRow};
use crate::machine::state::ManagerJob;
use crate::machine::transition::ATTEMPT;

/// One attempt's progress.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AttemptProgress {
    /// The attempt.
    pub key: AttemptKey,
    /// Rises with each row of the attempt.
    pub sequence: u64,
    /// Its state as the worker sees it.
    pub state: AttemptState,
    /// Its counters; none ever falls.
    pub progress: Progress,
}

/// Many rows of progress. A row about another attempt than the shard's open one, or not newer than the last, is stale
/// and skipped; the first that says `running` counts as newer whatever its sequence is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct UpdateWorkflowProgress {
    /// The rows.
    pub rows: Vec<AttemptProgress>,
}

impl Apply<ManagerJob> for UpdateWorkflowProgress {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.update(state, stamp))
    }
}

impl UpdateWorkflowProgress {
    fn update(self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        let mut rows = RowsApplied::default();
        for (position, row) in self.rows.iter().enumerate() {
            rows.count(position, row.apply(record, stamp.at_ms).is_some());
        }
        Ok(rows.outcome())
    }
}

impl AttemptProgress {
    /// `None`: stale.
    fn apply(&self, record: &mut JobRecord, at_ms: u64) -> Option<()> {
        let mut row = record.row(self.key.workflow, self.key.shard)?;
        self.raise(&mut row)?;
        record.put_row(self.key.workflow, self.key.shard, row);
        self.note_running(record, at_ms);
        Some(())
    }

    fn raise(&self, row: &mut ShardRow) -> Option<()> {
        let last = row.last.as_mut().filter(|last| last.attempt == self.key.attempt)?;
        let starts = self.runs() & ATTEMPT.allows(last.state, AttemptState::Running);
        let newer = (self.sequence > last.sequence) | starts;
        (newer & last.state.is_open()).then_some(())?;
        last.sequence = last.sequence.max(self.sequence);
        last.progress = last.progress.risen_to(self.progress);
        if starts {
            last.state = AttemptState::Running;
        }
        Some(())
    }

    fn runs(&self) -> bool {
        self.state == AttemptState::Running
    }

    fn note_running(&self, record: &mut JobRecord, at_ms: u64) {
        let assigned = record.workflow(self.key.workflow).map(|workflow| workflow.status);
        if self.runs() & (assigned == Some(WorkflowStatus::Assigned)) {
            // Allowed by the table: assigned → running.
            record.move_workflow(self.key.workflow, WorkflowStatus::Running, at_ms).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, progress};

    #[test]
    fn the_first_row_makes_attempt_and_workflow_run() {
        let mut world = World::started();
        world.applied(&progress(1, 3));
        assert_eq!(world.row(0, 0).last.unwrap().state, AttemptState::Running);
        assert_eq!(world.workflow(0).status(), WorkflowStatus::Running);
    }

    #[test]
    fn counters_never_fall() {
        let mut world = World::started();
        world.applied(&progress(1, 3));
        world.applied(&progress(2, 1));
        assert_eq!(world.row(0, 0).last.unwrap().progress.completed, 3);
    }

    #[test]
    fn a_stale_row_skips_only_itself() {
        let mut world = World::started();
        world.applied(&progress(5, 3));
        let rows = [progress(5, 9).rows, progress(6, 4).rows].concat();
        let reply = world.applied(&UpdateWorkflowProgress { rows }).unwrap();
        assert_eq!(reply, RowsApplied { applied: 1, stale: vec![0] });
    }
}
