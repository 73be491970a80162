//! Which status may become which. Statuses change through these tables only; terminal means terminal.

use muster_machine::{Reason, Transitions};
use muster_wire::job::{AttemptState, JobStatus, WorkflowStatus};

/// Moves of a job at the managers.
pub static JOB: Transitions<JobStatus> = {
    use JobStatus::{
        Cancelled, Cancelling, Completed, Completing, Failed, Partial, Queued, Running, TimedOut,
    };
    Transitions {
        moves: &[
            (Queued, &[Running, Cancelling, Failed, TimedOut]),
            (Running, &[Completing, Cancelling, Failed, TimedOut]),
            (Completing, &[Completed, Partial, Cancelling, Failed, TimedOut]),
            (Cancelling, &[Cancelled, Failed, TimedOut]),
        ],
    }
};

/// Moves of a workflow.
pub static WORKFLOW: Transitions<WorkflowStatus> = {
    use WorkflowStatus::{
        Aggregated, AggregationFailed, Assigned, Cancelled, Cancelling, Completed, Failed, Pending, Running,
        Skipped,
    };
    Transitions {
        moves: &[
            (Pending, &[Assigned, Completed, Skipped, Cancelled, Failed, Cancelling]),
            (Assigned, &[Pending, Running, Completed, Failed, Cancelling]),
            (Running, &[Completed, Failed, Cancelling]),
            (Cancelling, &[Cancelled, Completed, Failed]),
            (Completed, &[Aggregated, AggregationFailed]),
        ],
    }
};

/// Moves of an attempt.
pub static ATTEMPT: Transitions<AttemptState> = {
    use AttemptState::{Cancelled, Failed, Lost, Provisioned, Refused, Reserved, Running, Succeeded};
    Transitions {
        moves: &[
            (Reserved, &[Provisioned, Running, Refused, Lost, Cancelled, Succeeded, Failed]),
            (Provisioned, &[Running, Refused, Lost, Cancelled, Succeeded, Failed]),
            (Running, &[Succeeded, Failed, Lost, Cancelled]),
            (Lost, &[Succeeded, Failed]),
        ],
    }
};

/// Refuses a move of a workflow that the table does not hold.
pub fn workflow_move(from: WorkflowStatus, to: WorkflowStatus) -> Result<(), Reason> {
    match WORKFLOW.allows(from, to) {
        true => Ok(()),
        false => Err(Reason::not_allowed(format!("a workflow that is {from} cannot become {to}"))),
    }
}

/// Refuses a move of a job that the table does not hold.
pub fn job_move(from: JobStatus, to: JobStatus) -> Result<(), Reason> {
    match JOB.allows(from, to) {
        true => Ok(()),
        false => Err(Reason::not_allowed(format!("a job that is {from} cannot become {to}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_a_terminal_status_of_a_job() {
        let terminal = JobStatus::ALL.iter().filter(|status| status.is_terminal());
        for from in terminal {
            assert!(JobStatus::ALL.iter().all(|to| !JOB.allows(*from, *to)), "{from}");
        }
    }

    #[test]
    fn every_open_job_may_fail_or_be_cancelled() {
        use JobStatus::{Cancelling, Completing, Failed, Queued, Running, TimedOut};
        for from in [Queued, Running, Completing] {
            assert!([Failed, TimedOut, Cancelling].iter().all(|to| JOB.allows(from, *to)));
        }
    }

    #[test]
    fn only_completed_moves_on_among_the_ended_workflows() {
        for from in WorkflowStatus::ALL.iter().filter(|status| status.is_terminal()) {
            let moves = WorkflowStatus::ALL.iter().any(|to| WORKFLOW.allows(*from, *to));
            assert_eq!(moves, *from == WorkflowStatus::Completed, "{from}");
        }
    }

    #[test]
    fn a_lost_attempt_may_still_report() {
        assert!(ATTEMPT.allows(AttemptState::Lost, AttemptState::Succeeded));
        assert!(!ATTEMPT.allows(AttemptState::Lost, AttemptState::Running));
    }
}
