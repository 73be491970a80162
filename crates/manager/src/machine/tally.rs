//! How many workflows ended how.

use muster_wire::job::WorkflowStatus;
use serde::{Deserialize, Serialize};

/// Counts of workflows: `completed + failed + skipped + cancelled ≤ total`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Registered.
    pub total: u32,
    /// Completed, and aggregated or not yet.
    pub completed: u32,
    /// Failed, in their shards or in aggregation.
    pub failed: u32,
    /// Skipped.
    pub skipped: u32,
    /// Cancelled.
    pub cancelled: u32,
}

impl Tally {
    /// Those that have ended.
    pub const fn ended(&self) -> u32 {
        self.completed + self.failed + self.skipped + self.cancelled
    }

    /// Did all complete?
    pub const fn is_all_completed(&self) -> bool {
        self.completed == self.total
    }

    /// A workflow changed its status.
    pub(super) fn moved(&mut self, from: WorkflowStatus, to: WorkflowStatus) {
        if let Some(count) = self.count_of(from) {
            *count -= 1;
        }
        if let Some(count) = self.count_of(to) {
            *count += 1;
        }
    }

    const fn count_of(&mut self, status: WorkflowStatus) -> Option<&mut u32> {
        match status {
            WorkflowStatus::Completed | WorkflowStatus::Aggregated => Some(&mut self.completed),
            WorkflowStatus::Failed | WorkflowStatus::AggregationFailed => Some(&mut self.failed),
            WorkflowStatus::Skipped => Some(&mut self.skipped),
            WorkflowStatus::Cancelled => Some(&mut self.cancelled),
            WorkflowStatus::Pending
            | WorkflowStatus::Assigned
            | WorkflowStatus::Running
            | WorkflowStatus::Cancelling => None,
        }
    }
}
