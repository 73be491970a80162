//! `create_lease`: the right to run the job in a datacenter.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::{NodeRef, Token};
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::state::GateJob;
use crate::machine::{Dc, DcLease, Standing};

/// Gives or renews the lease of (job, datacenter), bound to the gate token.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CreateLease {
    /// Which datacenter.
    pub dc: String,
    /// The gate that acts on it.
    pub holder: NodeRef,
    /// Its end, ms since 1970.
    pub expires_at_ms: u64,
    /// After so long without a word the datacenter may be given up, ms.
    pub dc_lost_timeout_ms: u64,
}

/// The lease that stands now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeaseGiven {
    /// The datacenter's token: higher for a new or superseding lease, the same for a renewal.
    pub dc_token: Token,
    /// Its end, ms since 1970.
    pub expires_at_ms: u64,
}

impl Apply<GateJob> for CreateLease {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        settle(self.give(job, stamp))
    }
}

impl CreateLease {
    fn give(self, job: &mut GateJob, stamp: Stamp) -> Tried {
        let (gate_token, cancelling) = (job.leadership.token, job.is_cancelling());
        let lost = highest_lost(job);
        let is_target = job.targets.contains(&self.dc);
        let dc = job.known_dc(&self.dc)?;
        ensure(is_target && !dc.is_lost(), || Reason::not_allowed("the datacenter is no target any more"))?;
        self.check_held(dc, gate_token, stamp.at_ms)?;
        let is_renewal = self.is_renewal(dc, gate_token);
        ensure(is_renewal || !cancelling, || Reason::not_allowed("the job is being cancelled"))?;
        let before = dc.lease.clone().filter(|_| is_renewal);
        dc.token = token_after(dc, lost, is_renewal);
        self.write(dc, gate_token);
        dc.heard_at_ms = std::cmp::max(dc.heard_at_ms, stamp.at_ms * u64::from(!is_renewal));
        let given = LeaseGiven { dc_token: dc.token, expires_at_ms: self.expires_at_ms };
        match before == dc.lease {
            true => Ok(Outcome::noop(&given)),
            false => Ok(Outcome::applied(&given)),
        }
    }

    fn check_held(&self, dc: &Dc, gate_token: Token, at_ms: u64) -> Result<(), Reason> {
        let held = dc.live_lease(gate_token, at_ms).filter(|lease| lease.holder != self.holder);
        held.map_or(Ok(()), |lease| Err(Reason::Held { until_ms: lease.expires_at_ms }))
    }

    fn is_renewal(&self, dc: &Dc, gate_token: Token) -> bool {
        let same = |lease: &DcLease| lease.gate_token == gate_token && lease.holder == self.holder;
        dc.lease.as_ref().is_some_and(same)
    }

    fn write(&self, dc: &mut Dc, gate_token: Token) {
        dc.lost_after_ms = self.dc_lost_timeout_ms;
        dc.lease =
            Some(DcLease { holder: self.holder.clone(), gate_token, expires_at_ms: self.expires_at_ms });
    }
}

/// A renewal keeps the token; a new lease raises it, above those of datacenters that were given up as well.
fn token_after(dc: &Dc, lost: Token, is_renewal: bool) -> Token {
    match is_renewal {
        true => dc.token,
        false => dc.token.max(lost).next(),
    }
}

/// The highest token of a datacenter that was given up: whoever takes its place gets a higher one.
fn highest_lost(job: &GateJob) -> Token {
    let lost = job.dcs.values().filter_map(|dc| match dc.standing {
        Standing::Lost { dc_token } => Some(dc_token),
        Standing::Target | Standing::Refused { .. } => None,
    });
    lost.max().unwrap_or_default()
}

#[cfg(test)]
#[path = "create_lease_test.rs"]
mod create_lease_test;
#[cfg(test)]
pub(crate) use create_lease_test::CASES;
