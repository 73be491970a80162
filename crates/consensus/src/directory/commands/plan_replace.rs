//! `plan_replace`: the intent to move one replica of a group; the job's leader carries it out.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::{JobId, MemberNumber, RaftId};
use serde::{Deserialize, Serialize};

use super::super::placement::has_room;
use super::super::{Directory, JobRow, MemberStatus, Plan};
use super::bounds::BUSY_RETRY_MS;

/// Plans one replacement, compared with the set as the proposer knows it. `out == into` withdraws the plan, which only
/// the job's leader may ask for, and only before it has proposed the joint change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlanReplace {
    /// The job.
    pub job: JobId,
    /// The row's `set_index` that the proposer has seen.
    pub set_index: u64,
    /// Who goes.
    pub out: MemberNumber,
    /// Who comes.
    pub into: MemberNumber,
}

/// The row's set after the command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Planned {
    /// Its new `set_index`.
    pub set_index: u64,
    /// The plan with Raft ids; `None` after a withdrawal.
    pub plan: Option<Plan>,
}

impl Apply<Directory> for PlanReplace {
    fn apply(self, directory: &mut Directory, stamp: Stamp) -> Outcome {
        let Some(row) = directory.job(self.job).cloned() else { return directory.no_job(self.job).into() };
        if self.is_done(&row) {
            return Outcome::noop(&Planned { set_index: row.set_index, plan: row.plan });
        }
        match self.checked(directory, &row) {
            Ok(out) => store(directory, self.planned(row, out, stamp.index)),
            Err(reason) => reason.into(),
        }
    }
}

impl PlanReplace {
    const fn withdraws(&self) -> bool {
        self.out.0 == self.into.0
    }

    /// The row holds exactly this intent.
    fn is_done(&self, row: &JobRow) -> bool {
        let planned = row.plan.map(|plan| (plan.out.member(), plan.into.member()));
        match self.withdraws() {
            true => planned.is_none(),
            false => planned == Some((self.out, self.into)),
        }
    }

    fn checked(&self, directory: &Directory, row: &JobRow) -> Result<Option<RaftId>, Reason> {
        if row.set_index != self.set_index {
            return Err(Reason::Conflict { version: row.set_index });
        }
        match self.withdraws() {
            true => Ok(None),
            false => self.out_of(directory, row).map(Some),
        }
    }

    /// The replica that goes, once all that must hold does.
    fn out_of(&self, directory: &Directory, row: &JobRow) -> Result<RaftId, Reason> {
        if row.plan.is_some() {
            return Err(Reason::Conflict { version: row.set_index });
        }
        let out = row.replicas.iter().copied().find(|id| id.member() == self.out);
        let out = out.ok_or_else(|| Reason::not_allowed(format!("member {} holds no replica", self.out)))?;
        self.may_come(directory, row).map(|()| out)
    }

    fn may_come(&self, directory: &Directory, row: &JobRow) -> Result<(), Reason> {
        let member = directory.member(self.into).filter(|row| row.status == MemberStatus::Active);
        let member =
            member.ok_or_else(|| Reason::not_allowed(format!("member {} is not active", self.into)))?;
        if row.replica_of(self.into).is_some() {
            return Err(Reason::not_allowed(format!("member {} holds a replica already", self.into)));
        }
        match has_room(directory, member) {
            true => Ok(()),
            false => Err(Reason::Busy { retry_after_ms: BUSY_RETRY_MS }),
        }
    }

    fn planned(&self, mut row: JobRow, out: Option<RaftId>, index: u64) -> JobRow {
        row.plan = out.map(|out| row.next_plan(out, self.into));
        row.set_index = index;
        row
    }
}

impl JobRow {
    /// The comer gets an incarnation that this group never had.
    pub(super) fn next_plan(&mut self, out: RaftId, into: MemberNumber) -> Plan {
        self.incarnation = self.incarnation.next();
        Plan { out, into: RaftId::new(into, self.incarnation) }
    }
}

/// Puts the row with its plan.
pub(super) fn store(directory: &mut Directory, row: JobRow) -> Outcome {
    let planned = Planned { set_index: row.set_index, plan: row.plan };
    directory.put_job(row);
    Outcome::applied(&planned)
}

#[cfg(test)]
#[path = "plan_replace_test.rs"]
mod plan_replace_test;
