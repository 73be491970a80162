//! The dispatch table: the only list of the managers' commands, with what guards each.

use muster_machine::{Reason, Stamp, command_table, fence};
use muster_wire::Token;
use muster_wire::job::JobStatus;

use super::commands::{
    AssumeJobLeadership, CompleteCancellation, CompleteJob, ContextChanged, CreateJob, Dispatched,
    FlushStatsWindow, InitiateCancellation, MarkAggregationFailed, MarkWorkflowCompleted, MarkWorkflowFailed,
    NodeMembershipEvent, ProvisionConfirmed, RecordSubWorkflowResult, Recorded, RegisterSubWorkflow,
    RegisterWorkflow, ReleaseJobLeadership, RowsApplied, TakeoverJobLeadership, TrackRemoteJob,
    UpdateContext, UpdateJobStatus, UpdateWorkflowProgress, UpdateWorkflowStatus,
};
use super::limits::TOKEN_LEAP_MAX;
use super::state::ManagerJob;

command_table! { ManagerJob:
    1 => CreateJob, "create_job" -> JobStatus { guards: [not_tombstone] },
    2 => TrackRemoteJob, "track_remote_job" -> () { guards: [job_exists] },
    3 => CompleteJob, "complete_job" -> JobStatus { guards: [current_token] },
    4 => RegisterWorkflow, "register_workflow" -> () { guards: [job_exists, current_token, not_terminal, not_cancelling] },
    5 => RegisterSubWorkflow, "register_sub_workflow" -> Dispatched { guards: [job_exists, current_token, not_terminal, not_cancelling] },
    6 => UpdateWorkflowProgress, "update_workflow_progress" -> RowsApplied { guards: [job_exists, current_token] },
    7 => RecordSubWorkflowResult, "record_sub_workflow_result" -> Recorded { guards: [job_exists, current_token] },
    8 => MarkWorkflowCompleted, "mark_workflow_completed" -> Vec<muster_wire::WorkflowIx> { guards: [job_exists, current_token] },
    9 => MarkWorkflowFailed, "mark_workflow_failed" -> () { guards: [job_exists, current_token] },
    10 => MarkAggregationFailed, "mark_aggregation_failed" -> () { guards: [job_exists, current_token] },
    11 => UpdateWorkflowStatus, "update_workflow_status" -> () { guards: [job_exists, current_token] },
    12 => UpdateJobStatus, "update_job_status" -> () { guards: [job_exists, current_token] },
    13 => UpdateContext, "update_context" -> ContextChanged { guards: [job_exists, current_token, not_terminal] },
    14 => AssumeJobLeadership, "assume_job_leadership" -> Token { guards: [job_exists] },
    15 => TakeoverJobLeadership, "takeover_job_leadership" -> Token { guards: [job_exists] },
    16 => ReleaseJobLeadership, "release_job_leadership" -> () { guards: [job_exists, current_token] },
    17 => InitiateCancellation, "initiate_cancellation" -> u32 { guards: [job_exists] },
    18 => CompleteCancellation, "complete_cancellation" -> JobStatus { guards: [job_exists, current_token] },
    19 => ProvisionConfirmed, "provision_confirmed" -> bool { guards: [job_exists, current_token] },
    20 => FlushStatsWindow, "flush_stats_window" -> RowsApplied { guards: [job_exists, current_token] },
    21 => NodeMembershipEvent, "node_membership_event" -> u32 { guards: [job_exists] },
}

fn not_tombstone(state: &ManagerJob, _: &Stamp) -> Result<(), Reason> {
    match state.tombstone {
        Some(tombstone) => Err(Reason::Gone { status: tombstone.status }),
        None => Ok(()),
    }
}

fn job_exists(state: &ManagerJob, stamp: &Stamp) -> Result<(), Reason> {
    not_tombstone(state, stamp)?;
    match state.record {
        Some(_) => Ok(()),
        None => Err(Reason::UnknownJob),
    }
}

/// The entry must carry the job's token of this position.
fn current_token(state: &ManagerJob, stamp: &Stamp) -> Result<(), Reason> {
    check_token(state.token, stamp.token)
}

fn check_token(known: Token, carried: Token) -> Result<(), Reason> {
    check_leap(known, carried)?;
    fence::check(known, carried)
}

/// Refuses a token too far above the known one: it is no token that anybody was given.
pub(super) fn check_leap(known: Token, named: Token) -> Result<(), Reason> {
    match named.0 > known.0.saturating_add(TOKEN_LEAP_MAX) {
        true => Err(Reason::TokenOutOfRange),
        false => Ok(()),
    }
}

fn not_terminal(state: &ManagerJob, _: &Stamp) -> Result<(), Reason> {
    match state.status() {
        Some(status) if status.is_terminal() => Err(Reason::AlreadyTerminal { status }),
        _ => Ok(()),
    }
}

fn not_cancelling(state: &ManagerJob, _: &Stamp) -> Result<(), Reason> {
    match state.status() {
        Some(JobStatus::Cancelling) => Err(Reason::not_allowed("the job is being cancelled")),
        _ => Ok(()),
    }
}
