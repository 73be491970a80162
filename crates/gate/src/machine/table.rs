//! The one list of the gates' commands.

use muster_machine::command_table;
use muster_wire::Token;

use super::commands::{
    AddTargetDc, AssumeGateLeadership, Cleanup, CleanupOldJobs, CreateLease, DeleteJob, GateMembershipEvent,
    JobVersions, LeaseGiven, ProcessLeadershipClaim, ReleaseDcManagers, ReleaseGateLeadership, ReleaseLease,
    RemoveCallback, Reported, SetCallback, SetDcResult, SetFenceToken, SetJob, SetJobSubmission,
    SetTargetDcs, SetWorkflowDcResult, TakeoverGateLeadership, UpdateDcManager,
};
use super::guard::{current_token, job_exists, job_open, not_gone, token_if_any};
use super::state::GateJob;

command_table! { GateJob:
    1 => SetJob, "set_job" -> JobVersions { guards: [not_gone, token_if_any] },
    2 => DeleteJob, "delete_job" -> () { guards: [current_token] },
    3 => SetTargetDcs, "set_target_dcs" -> () { guards: [job_exists, token_if_any, job_open] },
    4 => AddTargetDc, "add_target_dc" -> () { guards: [job_exists, current_token, job_open] },
    5 => SetDcResult, "set_dc_result" -> Reported { guards: [job_exists, current_token] },
    6 => SetCallback, "set_callback" -> () { guards: [job_exists, token_if_any] },
    7 => RemoveCallback, "remove_callback" -> () { guards: [job_exists, token_if_any] },
    8 => SetFenceToken, "set_fence_token" -> Token { guards: [job_exists, token_if_any] },
    9 => CleanupOldJobs, "cleanup_old_jobs" -> Cleanup { guards: [token_if_any] },
    10 => AssumeGateLeadership, "assume_gate_leadership" -> Token { guards: [job_exists, token_if_any] },
    11 => TakeoverGateLeadership, "takeover_gate_leadership" -> Token { guards: [job_exists, token_if_any] },
    12 => ReleaseGateLeadership, "release_gate_leadership" -> Token { guards: [job_exists, current_token] },
    13 => ProcessLeadershipClaim, "process_leadership_claim" -> Token { guards: [job_exists, token_if_any] },
    14 => UpdateDcManager, "update_dc_manager" -> () { guards: [job_exists, current_token] },
    15 => ReleaseDcManagers, "release_dc_managers" -> () { guards: [job_exists, current_token] },
    16 => CreateLease, "create_lease" -> LeaseGiven { guards: [job_exists, current_token, job_open] },
    17 => ReleaseLease, "release_lease" -> () { guards: [job_exists, current_token] },
    18 => SetJobSubmission, "set_job_submission" -> () { guards: [job_exists, token_if_any] },
    19 => SetWorkflowDcResult, "set_workflow_dc_result" -> Reported { guards: [job_exists, current_token] },
    20 => GateMembershipEvent, "gate_membership_event" -> () { guards: [job_exists, token_if_any] },
}
