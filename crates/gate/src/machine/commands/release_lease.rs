//! `release_lease`: the right to run the job in a datacenter is given back.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::NodeRef;
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::state::GateJob;

/// Drops the lease; the datacenter's token is kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReleaseLease {
    /// Which datacenter.
    pub dc: String,
    /// The gate that gave it.
    pub holder: NodeRef,
}

impl Apply<GateJob> for ReleaseLease {
    fn apply(self, job: &mut GateJob, _: Stamp) -> Outcome {
        settle(self.release(job))
    }
}

impl ReleaseLease {
    fn release(self, job: &mut GateJob) -> Tried {
        let Some(lease) = job.dc(&self.dc).and_then(|dc| dc.lease.as_ref()) else {
            return Ok(Outcome::same());
        };
        ensure(lease.holder == self.holder, || Reason::Held { until_ms: lease.expires_at_ms })?;
        job.known_dc(&self.dc)?.lease = None;
        Ok(Outcome::done())
    }
}

#[cfg(test)]
#[path = "release_lease_test.rs"]
mod release_lease_test;
#[cfg(test)]
pub(crate) use release_lease_test::CASES;
