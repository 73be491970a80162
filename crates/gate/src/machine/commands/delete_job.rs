//! `delete_job`: a user's deletion of a finished job.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::state::GateJob;

/// Frees everything of a finished job but its tombstone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeleteJob {
    /// Who asked.
    pub requester: String,
}

impl Apply<GateJob> for DeleteJob {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        settle(delete(job, stamp))
    }
}

fn delete(job: &mut GateJob, stamp: Stamp) -> Tried {
    if job.tombstone.is_some() {
        return Ok(Outcome::same());
    }
    let status = job.record_mut()?.status;
    ensure(status.is_terminal(), || Reason::not_allowed(format!("the job is {status}: cancel it first")))?;
    job.purge(status, stamp.at_ms);
    Ok(Outcome::done())
}

#[cfg(test)]
#[path = "delete_job_test.rs"]
mod delete_job_test;
#[cfg(test)]
pub(crate) use delete_job_test::CASES;
