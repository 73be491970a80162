//! `provision_confirmed`: the worker holds the cores of an attempt.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::NodeRef;
use muster_wire::job::{AttemptKey, AttemptState};
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::record::JobRecord;
use crate::machine::shard::ShardRow;
use crate::machine::state::ManagerJob;

/// Confirms an attempt's cores. The reply: is the whole workflow provisioned, so that a gang may start? Refused: not the
/// shard's open attempt on that worker (`Stale`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ProvisionConfirmed {
    /// The attempt.
    pub key: AttemptKey,
    /// The worker process.
    pub node: NodeRef,
    /// The cores that it holds.
    pub cores: u32,
}

impl Apply<ManagerJob> for ProvisionConfirmed {
    fn apply(self, state: &mut ManagerJob, _: Stamp) -> Outcome {
        outcome(self.confirm(state))
    }
}

impl ProvisionConfirmed {
    fn confirm(self, state: &mut ManagerJob) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        let mut row = record.row(self.key.workflow, self.key.shard).ok_or(Reason::Stale)?;
        self.check(record, &row)?;
        let reserved = row.last.as_mut().filter(|last| last.state == AttemptState::Reserved);
        let Some(last) = reserved else { return Ok(Outcome::noop(&self.is_whole(record))) };
        last.state = AttemptState::Provisioned;
        last.cores = self.cores;
        record.put_row(self.key.workflow, self.key.shard, row);
        Ok(Outcome::applied(&self.is_whole(record)))
    }

    fn check(&self, record: &JobRecord, row: &ShardRow) -> Result<(), Reason> {
        let open = row.attempt(self.key.attempt).is_some_and(|last| last.state.is_open());
        let there = record.worker_of(row) == Some(&self.node);
        ensure(open & there, || Reason::Stale)
    }

    fn is_whole(&self, record: &JobRecord) -> bool {
        record.workflow(self.key.workflow).is_some_and(|workflow| workflow.is_provisioned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, provision, reserve, worker};

    #[test]
    fn the_workflow_is_provisioned_with_its_last_shard() {
        let mut world = World::registered();
        world.applied(&reserve(0, 0, 1));
        world.applied(&reserve(0, 1, 1));
        assert_eq!(world.applied(&provision(0, 0, 1)), Some(false));
        assert_eq!(world.applied(&provision(0, 1, 1)), Some(true));
        assert_eq!(world.same(&provision(0, 1, 1)), Some(true));
    }

    #[test]
    fn another_attempt_or_worker_is_stale() {
        let mut world = World::registered();
        world.applied(&reserve(0, 0, 1));
        world.refused(&provision(0, 0, 2), "stale");
        world.refused(&ProvisionConfirmed { node: worker(9), ..provision(0, 0, 1) }, "stale");
    }
}
