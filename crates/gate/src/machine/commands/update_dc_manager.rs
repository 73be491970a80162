//! `update_dc_manager`: who leads the job in a datacenter.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::{NodeRef, Token};
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::DcManager;
use crate::machine::state::GateJob;

/// Records the job's leader in a datacenter, which has taken the job under the datacenter's present token.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct UpdateDcManager {
    /// Which datacenter.
    pub dc: String,
    /// The lease's token under which it has taken the job: a report that was on its way while a new lease was given
    /// does not count as its acceptance.
    pub dc_token: Token,
    /// Who.
    pub manager: NodeRef,
    /// Under this token.
    pub manager_token: Token,
    /// The first one, or a change.
    pub mode: ManagerMode,
}

/// The first leader of a job in a datacenter, or a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManagerMode {
    /// Only where none is known.
    Assign,
    /// Only to a higher token.
    Transfer,
}

impl Apply<GateJob> for UpdateDcManager {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        settle(self.update(job, stamp))
    }
}

impl UpdateDcManager {
    fn update(self, job: &mut GateJob, stamp: Stamp) -> Tried {
        let dc = job.known_dc(&self.dc)?;
        let next = DcManager { node: self.manager, token: self.manager_token };
        dc.check_token(self.dc_token)?;
        let is_same = dc.manager.as_ref() == Some(&next);
        if is_same && dc.has_accepted() {
            return Ok(Outcome::same());
        }
        ensure(dc.was_leased(), || Reason::not_allowed("the datacenter has no lease"))?;
        check(dc.manager.as_ref().filter(|_| !is_same), &next, self.mode)?;
        dc.manager = Some(next);
        dc.accepted = dc.token;
        dc.heard_at_ms = stamp.at_ms;
        Ok(Outcome::done())
    }
}

fn check(known: Option<&DcManager>, next: &DcManager, mode: ManagerMode) -> Result<(), Reason> {
    let Some(known) = known else { return Ok(()) };
    match mode {
        ManagerMode::Assign => Err(Reason::Conflict { version: known.token.0 }),
        ManagerMode::Transfer => ensure(next.token > known.token, || Reason::Stale),
    }
}

#[cfg(test)]
#[path = "update_dc_manager_test.rs"]
mod update_dc_manager_test;
#[cfg(test)]
pub(crate) use update_dc_manager_test::CASES;
