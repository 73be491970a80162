//! `create_job`: the job exists in this datacenter from here on.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};
use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::{Digest, JobStatus};
use muster_wire::spec::{CONTEXT_BYTES_MAX, JobSpec};
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::context::Context;
use crate::machine::graph;
use crate::machine::record::JobRecord;
use crate::machine::state::ManagerJob;

/// Creates the job, queued. Refused: another digest (`Conflict`), a spec that no job can have (`Malformed`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CreateJob {
    /// What to run.
    pub spec: JobSpec,
    /// Of the submission's body.
    pub digest: Digest,
    /// This datacenter.
    pub datacenter: String,
    /// When the job times out, ms since 1970.
    pub deadline_ms: u64,
}

impl Apply<ManagerJob> for CreateJob {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(match &state.record {
            Some(known) => self.repeat(known),
            None => self.create(state, stamp),
        })
    }
}

impl CreateJob {
    fn repeat(&self, known: &JobRecord) -> Result<Outcome, Reason> {
        ensure(known.digest == self.digest, || Reason::Conflict { version: 0 })?;
        Ok(Outcome::noop(&known.status))
    }

    fn create(self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        graph::check(&self.spec)?;
        let context = Context::new(&self.spec.context);
        let fits = context.bytes() <= CONTEXT_BYTES_MAX as u64;
        ensure(fits, || Reason::TooLarge { what: "the context".into() })?;
        state.record = Some(self.record(state.job, context, stamp.at_ms));
        Ok(Outcome::applied(&JobStatus::Queued))
    }

    fn record(self, job: muster_wire::JobId, context: Context, at_ms: u64) -> JobRecord {
        JobRecord {
            job,
            spec: Arc::new(self.spec),
            digest: self.digest,
            datacenter: self.datacenter,
            deadline_ms: self.deadline_ms,
            status: JobStatus::Queued,
            reason: None,
            version: 1,
            created_at_ms: at_ms,
            started_at_ms: None,
            finished_at_ms: None,
            gate: None,
            siblings: OrdMap::new(),
            workflows: OrdMap::new(),
            tally: Default::default(),
            context,
            cancel: None,
            blocked: OrdSet::new(),
            cancel_errors: Vector::new(),
            workers: Default::default(),
            dispatches: 0,
            kept_bytes: 0,
            late_results: 0,
            stats: Default::default(),
            nodes: Default::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, create_job};

    #[test]
    fn a_created_job_is_queued_with_its_context() {
        let mut world = World::empty();
        world.applied(&create_job());
        assert_eq!(world.state().status(), Some(JobStatus::Queued));
        assert!(world.record().context.get("region").is_some());
    }

    #[test]
    fn another_body_under_the_same_id_is_a_conflict_and_changes_nothing() {
        let mut world = World::created();
        let other = CreateJob { digest: Digest([9; 32]), ..create_job() };
        world.refused(&other, "conflict");
    }
}
