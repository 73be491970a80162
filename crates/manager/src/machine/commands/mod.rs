//! One file a command.

use muster_machine::{Outcome, Reason};
use serde::{Deserialize, Serialize};

mod assume_job_leadership;
mod complete_cancellation;
mod complete_job;
mod create_job;
mod flush_stats_window;
mod initiate_cancellation;
mod mark_aggregation_failed;
mod mark_workflow_completed;
mod mark_workflow_failed;
mod node_membership_event;
mod provision_confirmed;
mod record_sub_workflow_result;
mod register_sub_workflow;
mod register_workflow;
mod release_job_leadership;
mod takeover_job_leadership;
mod track_remote_job;
mod update_context;
mod update_job_status;
mod update_workflow_progress;
mod update_workflow_status;

pub use assume_job_leadership::AssumeJobLeadership;
pub use complete_cancellation::CompleteCancellation;
pub use complete_job::{CompleteJob, WithoutJob};
pub use create_job::CreateJob;
pub use flush_stats_window::FlushStatsWindow;
pub use initiate_cancellation::InitiateCancellation;
pub use mark_aggregation_failed::MarkAggregationFailed;
pub use mark_workflow_completed::MarkWorkflowCompleted;
pub use mark_workflow_failed::{FailureCause, MarkWorkflowFailed};
pub use node_membership_event::NodeMembershipEvent;
pub use provision_confirmed::ProvisionConfirmed;
pub use record_sub_workflow_result::{RecordSubWorkflowResult, Recorded};
pub use register_sub_workflow::{Dispatched, RegisterSubWorkflow};
pub use register_workflow::RegisterWorkflow;
pub use release_job_leadership::ReleaseJobLeadership;
pub use takeover_job_leadership::TakeoverJobLeadership;
pub use track_remote_job::{TrackRemoteJob, TrackScope};
pub use update_context::{ContextChanged, UpdateContext};
pub use update_job_status::UpdateJobStatus;
pub use update_workflow_progress::{AttemptProgress, UpdateWorkflowProgress};
pub use update_workflow_status::UpdateWorkflowStatus;

/// What became of the rows of a command that carries many.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RowsApplied {
    /// Rows that changed something.
    pub applied: u32,
    /// Rows that were stale, by position.
    pub stale: Vec<u32>,
}

impl RowsApplied {
    fn count(&mut self, position: usize, applied: bool) {
        match applied {
            true => self.applied += 1,
            false => self.stale.push(position as u32),
        }
    }

    /// Nothing applied means that it was all applied before.
    fn outcome(&self) -> Outcome {
        match self.applied {
            0 => Outcome::noop(self),
            _ => Outcome::applied(self),
        }
    }
}

/// `Err` is a rejection.
fn outcome(result: Result<Outcome, Reason>) -> Outcome {
    result.unwrap_or_else(Outcome::Rejected)
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> Reason) -> Result<(), Reason> {
    match holds {
        true => Ok(()),
        false => Err(otherwise()),
    }
}
