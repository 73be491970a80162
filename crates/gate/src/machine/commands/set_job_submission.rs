//! `set_job_submission`: what is to be run.

use std::sync::Arc;

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::Digest;
use muster_wire::spec::JobSpec;
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::state::{GateJob, Submission};

/// Keeps the submission until the job is purged.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SetJobSubmission {
    /// The validated job.
    pub spec: JobSpec,
    /// Of the body as received.
    pub digest: Digest,
    /// The client's idempotency key.
    pub key: Option<String>,
}

impl Apply<GateJob> for SetJobSubmission {
    fn apply(self, job: &mut GateJob, _: Stamp) -> Outcome {
        settle(self.set(job))
    }
}

impl SetJobSubmission {
    fn set(self, job: &mut GateJob) -> Tried {
        if let Some(known) = &job.submission {
            ensure(known.digest == self.digest, || Reason::Conflict { version: 1 })?;
            return Ok(Outcome::same());
        }
        job.submission = Some(Arc::new(Submission { spec: self.spec, digest: self.digest, key: self.key }));
        Ok(Outcome::done())
    }
}

#[cfg(test)]
#[path = "set_job_submission_test.rs"]
mod set_job_submission_test;
#[cfg(test)]
pub(crate) use set_job_submission_test::CASES;
