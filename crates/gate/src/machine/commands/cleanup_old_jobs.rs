//! `cleanup_old_jobs`: the timer's form of a deletion, and the end of registrations that nobody submitted to.

use muster_machine::{Apply, Outcome, Stamp};
use muster_wire::job::JobStatus;
use serde::{Deserialize, Serialize};

use crate::machine::state::GateJob;

/// Purges the job if it is finished for so long; a group without a record becomes void when it was registered so
/// long ago.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CleanupOldJobs {
    /// The age, ms.
    pub max_age_ms: u64,
    /// Only a group without a record is meant: whoever proposes it saw none, but may have looked before its replica had
    /// caught up, and then knows nothing of the job's own retention.
    pub unsubmitted: bool,
}

/// What became of the job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Cleanup {
    /// Not terminal, or younger.
    Kept,
    /// A tombstone now.
    Purged(JobStatus),
}

impl Apply<GateJob> for CleanupOldJobs {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        if let Some(retired) = job.tombstone {
            return Outcome::noop(&Cleanup::Purged(retired.status));
        }
        let meant = ended(job).filter(|_| !self.unsubmitted || job.record.is_none());
        match meant.filter(|(_, at_ms)| stamp.at_ms >= at_ms.saturating_add(self.max_age_ms)) {
            Some((status, _)) => purge(job, status, stamp),
            None => Outcome::noop(&Cleanup::Kept),
        }
    }
}

/// How the job ended and when; a group without a record is void since its registration.
fn ended(job: &GateJob) -> Option<(JobStatus, u64)> {
    match &job.record {
        Some(record) => record.finished_at_ms.map(|at_ms| (record.status, at_ms)),
        None => Some((JobStatus::Void, job.registered_at_ms())),
    }
}

fn purge(job: &mut GateJob, status: JobStatus, stamp: Stamp) -> Outcome {
    job.purge(status, stamp.at_ms);
    Outcome::applied(&Cleanup::Purged(status))
}

#[cfg(test)]
#[path = "cleanup_old_jobs_test.rs"]
mod cleanup_old_jobs_test;
#[cfg(test)]
pub(crate) use cleanup_old_jobs_test::CASES;
