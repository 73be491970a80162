//! The commands, one file each.

mod add_target_dc;
mod assume_gate_leadership;
mod cleanup_old_jobs;
mod create_lease;
mod delete_job;
mod gate_membership_event;
mod process_leadership_claim;
mod release_dc_managers;
mod release_gate_leadership;
mod release_lease;
mod remove_callback;
mod set_callback;
mod set_dc_result;
mod set_fence_token;
mod set_job;
mod set_job_submission;
mod set_target_dcs;
mod set_workflow_dc_result;
mod takeover_gate_leadership;
mod update_dc_manager;

pub use add_target_dc::{AddTargetDc, Why};
pub use assume_gate_leadership::AssumeGateLeadership;
pub use cleanup_old_jobs::{Cleanup, CleanupOldJobs};
pub use create_lease::{CreateLease, LeaseGiven};
pub use delete_job::DeleteJob;
pub use gate_membership_event::{GateMembershipEvent, MemberEvent};
pub use process_leadership_claim::ProcessLeadershipClaim;
pub use release_dc_managers::ReleaseDcManagers;
pub use release_gate_leadership::ReleaseGateLeadership;
pub use release_lease::ReleaseLease;
pub use remove_callback::RemoveCallback;
pub use set_callback::{CALLBACKS_MAX, CallbackChange, SetCallback};
pub use set_dc_result::{Reported, SetDcResult};
pub use set_fence_token::SetFenceToken;
pub use set_job::{
    CancelConfirmed, DcSummaries, JobVersions, PROGRESS_BYTES_MAX, Refusal, SetJob, WORKFLOW_CANCELS_MAX,
};
pub use set_job_submission::SetJobSubmission;
pub use set_target_dcs::SetTargetDcs;
pub use set_workflow_dc_result::SetWorkflowDcResult;
pub use takeover_gate_leadership::TakeoverGateLeadership;
pub use update_dc_manager::{ManagerMode, UpdateDcManager};

use muster_machine::{Outcome, Reason};

/// What a check or a change came to: its refusal is the command's.
type Tried = Result<Outcome, Reason>;

fn settle(tried: Tried) -> Outcome {
    tried.unwrap_or_else(Outcome::from)
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> Reason) -> Result<(), Reason> {
    match holds {
        true => Ok(()),
        false => Err(otherwise()),
    }
}

/// The encoded size of a value; anything that does not encode is over every bound.
fn bytes_of<T: serde::Serialize>(value: &T) -> usize {
    muster_wire::encode(value).map_or(usize::MAX, |bytes| bytes.len())
}

/// The cases of every command, by its name.
#[cfg(test)]
pub(crate) fn cases() -> &'static [(&'static str, &'static [crate::machine::fixture::Case])] {
    &[
        ("add_target_dc", add_target_dc::CASES),
        ("assume_gate_leadership", assume_gate_leadership::CASES),
        ("cleanup_old_jobs", cleanup_old_jobs::CASES),
        ("create_lease", create_lease::CASES),
        ("delete_job", delete_job::CASES),
        ("gate_membership_event", gate_membership_event::CASES),
        ("process_leadership_claim", process_leadership_claim::CASES),
        ("release_dc_managers", release_dc_managers::CASES),
        ("release_gate_leadership", release_gate_leadership::CASES),
        ("release_lease", release_lease::CASES),
        ("remove_callback", remove_callback::CASES),
        ("set_callback", set_callback::CASES),
        ("set_dc_result", set_dc_result::CASES),
        ("set_fence_token", set_fence_token::CASES),
        ("set_job", set_job::CASES),
        ("set_job_submission", set_job_submission::CASES),
        ("set_target_dcs", set_target_dcs::CASES),
        ("set_workflow_dc_result", set_workflow_dc_result::CASES),
        ("takeover_gate_leadership", takeover_gate_leadership::CASES),
        ("update_dc_manager", update_dc_manager::CASES),
    ]
}
