//! `add_target_dc`: another datacenter, beside the others or in the place of one.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::state::GateJob;
use crate::machine::targets::TARGETS_MAX;
use crate::machine::{Dc, Standing, What};

/// Adds a target or swaps one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AddTargetDc {
    /// The new target.
    pub dc: String,
    /// Whose place it takes.
    pub replaces: Option<String>,
    /// Why.
    pub why: Why,
}

/// Why a datacenter is added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Somebody wants it.
    Chosen,
    /// The replaced one refused explicitly, and that is recorded.
    Refused,
    /// The replaced one was not heard of for its lost timeout.
    Lost,
}

impl Apply<GateJob> for AddTargetDc {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        settle(self.add(job, stamp))
    }
}

impl AddTargetDc {
    fn add(self, job: &mut GateJob, stamp: Stamp) -> Tried {
        if job.targets.contains(&self.dc) {
            return Ok(Outcome::same());
        }
        self.check_new(job)?;
        self.check_old(job, stamp.at_ms)?;
        self.give_up_lost(job)?;
        job.targets.put(&self.dc, self.replaces.as_deref());
        job.dcs.entry(self.dc.clone()).or_default().heard_at_ms = stamp.at_ms;
        job.note(What::Status { reason: format!("runs in {} too: {:?}", self.dc, self.why) }, stamp);
        Ok(Outcome::done())
    }

    fn check_new(&self, job: &GateJob) -> Result<(), Reason> {
        ensure(!job.is_cancelling(), || Reason::not_allowed("the job is being cancelled"))?;
        let usable = job.dc(&self.dc).is_none_or(|dc| dc.standing == Standing::Target);
        ensure(usable, || Reason::not_allowed(format!("{} has refused or was lost", self.dc)))?;
        ensure(job.dcs.len() < TARGETS_MAX, || Reason::LimitReached { what: "datacenters".into() })
    }

    fn check_old(&self, job: &GateJob, at_ms: u64) -> Result<(), Reason> {
        let old = self.replaces.as_ref().and_then(|name| job.dc(name));
        match self.why {
            Why::Chosen => Ok(()),
            Why::Refused => {
                ensure(old.is_some_and(has_refused), || Reason::not_allowed("no refusal is recorded"))
            }
            Why::Lost => ensure(old.is_some_and(|dc| is_overdue(dc, at_ms)), || Reason::NotYet),
        }
    }

    fn give_up_lost(&self, job: &mut GateJob) -> Result<(), Reason> {
        let Some(name) = self.replaces.as_ref().filter(|_| self.why == Why::Lost) else { return Ok(()) };
        let dc = job.known_dc(name)?;
        dc.standing = Standing::Lost { dc_token: dc.token };
        dc.lease = None;
        Ok(())
    }
}

fn has_refused(dc: &Dc) -> bool {
    matches!(dc.standing, Standing::Refused { .. })
}

fn is_overdue(dc: &Dc, at_ms: u64) -> bool {
    dc.was_leased() && at_ms >= dc.heard_at_ms.saturating_add(dc.lost_after_ms)
}

#[cfg(test)]
#[path = "add_target_dc_test.rs"]
mod add_target_dc_test;
#[cfg(test)]
pub(crate) use add_target_dc_test::CASES;
