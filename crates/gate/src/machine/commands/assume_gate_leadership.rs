//! `assume_gate_leadership`: the first leader, or the next after a release.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::NodeRef;
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::state::GateJob;

/// Makes the named node the leader where there is none.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AssumeGateLeadership {
    /// Who.
    pub node: NodeRef,
}

impl Apply<GateJob> for AssumeGateLeadership {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        settle(self.assume(job, stamp))
    }
}

impl AssumeGateLeadership {
    fn assume(self, job: &mut GateJob, stamp: Stamp) -> Tried {
        let token = job.leadership.token;
        if job.leadership.is_led_by(&self.node) {
            return Ok(Outcome::noop(&token));
        }
        ensure(job.leadership.leader.is_none(), || Reason::Conflict { version: token.0 })?;
        Ok(Outcome::applied(&job.install_leader(self.node, stamp)))
    }
}

#[cfg(test)]
#[path = "assume_gate_leadership_test.rs"]
mod assume_gate_leadership_test;
#[cfg(test)]
pub(crate) use assume_gate_leadership_test::CASES;
