//! `retire_jobs`: purged jobs become tombstones; every host destroys its copies on applying this.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::JobStatus;
use muster_wire::{JobId, Token};
use serde::{Deserialize, Serialize};

use super::super::{Directory, Fingerprint, Retired};
use super::{bounds::BATCH_MAX, within};

/// A job whose group has committed its purge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retiring {
    /// The job.
    pub job: JobId,
    /// How it ended.
    pub status: JobStatus,
    /// Its last token.
    pub token: Token,
}

/// Retires jobs and drops old tombstones. Unknown jobs are skipped. Answers how many were retired. The key of a void
/// job is free again; other keys are kept at least 1 h and for the last 100,000 finished jobs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RetireJobs {
    /// At most 10,000; may be empty, to drop tombstones only.
    pub jobs: Vec<Retiring>,
    /// The proposer's wall clock, ms since 1970; replicated time bounds it.
    pub now_ms: u64,
    /// How long tombstones are kept.
    pub keep_ms: u64,
}

impl Apply<Directory> for RetireJobs {
    fn apply(self, directory: &mut Directory, stamp: Stamp) -> Outcome {
        if let Err(reason) = self.check() {
            return reason.into();
        }
        let retired = self.jobs.iter().map(|gone| directory.retire(gone, stamp.at_ms)).sum::<u32>();
        let dropped = directory.prune_retired(self.now_ms.min(stamp.at_ms), self.keep_ms);
        match (retired, dropped) {
            (0, 0) => Outcome::noop(&retired),
            _ => Outcome::applied(&retired),
        }
    }
}

impl RetireJobs {
    fn check(&self) -> Result<(), Reason> {
        within(self.jobs.len(), BATCH_MAX, "batch")?;
        let open = self.jobs.iter().find(|gone| !gone.status.is_terminal());
        open.map_or(Ok(()), |gone| Err(Reason::not_allowed(format!("job {} is {}", gone.job, gone.status))))
    }
}

impl Directory {
    /// 1 if the job was there.
    fn retire(&mut self, gone: &Retiring, at_ms: u64) -> u32 {
        let Some(row) = self.drop_job(gone.job) else { return 0 };
        let key = row.key.as_ref().filter(|_| gone.status != JobStatus::Void);
        self.put_retired(Retired {
            job: gone.job,
            status: gone.status,
            token: gone.token,
            at_ms,
            key: key.map(|key| Fingerprint::of_key(key)),
            digest: Fingerprint::of_digest(&row.digest),
        });
        1
    }
}

#[cfg(test)]
#[path = "retire_jobs_test.rs"]
mod retire_jobs_test;
