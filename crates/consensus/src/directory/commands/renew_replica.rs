//! `renew_replica`: the intent to begin one replica of a group anew on the same member; the job's leader carries it out.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::{JobId, RaftId};
use serde::{Deserialize, Serialize};

use super::super::{Directory, JobRow, Plan};
use super::plan_replace::{Planned, store};

/// Plans that a replica whose records are damaged goes, and that its own member holds the group again, under a new
/// incarnation: it has never voted there, so it cannot forget a vote. Compared with the set as the proposer knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RenewReplica {
    /// The job.
    pub job: JobId,
    /// The row's `set_index` that the proposer has seen.
    pub set_index: u64,
    /// The replica that goes.
    pub out: RaftId,
}

impl Apply<Directory> for RenewReplica {
    fn apply(self, directory: &mut Directory, stamp: Stamp) -> Outcome {
        let Some(row) = directory.job(self.job).cloned() else { return directory.no_job(self.job).into() };
        if row.plan.is_some_and(|plan| self.is_of(plan)) {
            return Outcome::noop(&Planned { set_index: row.set_index, plan: row.plan });
        }
        match self.check(&row) {
            Ok(()) => store(directory, self.planned(row, stamp.index)),
            Err(reason) => reason.into(),
        }
    }
}

impl RenewReplica {
    fn is_of(&self, plan: Plan) -> bool {
        plan.out == self.out && plan.into.member() == self.out.member()
    }

    fn check(&self, row: &JobRow) -> Result<(), Reason> {
        if row.set_index != self.set_index || row.plan.is_some() {
            return Err(Reason::Conflict { version: row.set_index });
        }
        match row.replicas.contains(&self.out) {
            true => Ok(()),
            false => Err(Reason::not_allowed(format!("{} is not a replica of this job", self.out))),
        }
    }

    fn planned(&self, mut row: JobRow, index: u64) -> JobRow {
        row.plan = Some(row.next_plan(self.out, self.out.member()));
        row.set_index = index;
        row
    }
}

#[cfg(test)]
#[path = "renew_replica_test.rs"]
mod renew_replica_test;
