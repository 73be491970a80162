//! The only moves of a job's status at the gates.

use muster_machine::Transitions;
use muster_wire::job::JobStatus::{self, *};

/// From a status to each status it may become. Terminal means terminal.
pub static TRANSITIONS: Transitions<JobStatus> = Transitions {
    moves: &[
        (Submitted, &[Dispatching, Cancelling, Failed, TimedOut]),
        (Dispatching, &[Running, Cancelling, Failed, TimedOut]),
        (Running, &[Completing, Cancelling, Failed, TimedOut]),
        (Completing, &[Completed, Partial, Failed, TimedOut, Cancelling]),
        (Cancelling, &[Cancelled, Failed, TimedOut]),
    ],
};

/// The statuses on the way from `from` to `to`, `to` included, by the table; `None` when there is no way.
pub fn way(from: JobStatus, to: JobStatus) -> Option<Vec<JobStatus>> {
    if TRANSITIONS.allows(from, to) {
        return Some(vec![to]);
    }
    let next = straight_on(from)?;
    let mut rest = way(next, to)?;
    rest.insert(0, next);
    Some(rest)
}

const fn straight_on(from: JobStatus) -> Option<JobStatus> {
    match from {
        Submitted => Some(Dispatching),
        Dispatching => Some(Running),
        Running => Some(Completing),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_a_terminal_status() {
        for from in JobStatus::ALL.iter().filter(|status| status.is_terminal()) {
            assert!(JobStatus::ALL.iter().all(|to| !TRANSITIONS.allows(*from, *to)), "{from}");
        }
    }

    #[test]
    fn a_fast_job_passes_through_every_status_on_its_way() {
        assert_eq!(way(Submitted, Completed), Some(vec![Dispatching, Running, Completing, Completed]));
        assert_eq!(way(Dispatching, Failed), Some(vec![Failed]));
        assert_eq!(way(Cancelling, Completed), None);
        assert_eq!(way(Failed, Cancelled), None);
    }
}
