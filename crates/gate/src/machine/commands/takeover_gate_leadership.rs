//! `takeover_gate_leadership`: another leader, by compare-and-set on the token.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::{NodeRef, Token};
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::state::GateJob;

/// Makes the named node the leader in the place of another, or of an older process of itself. Leases are cleared.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TakeoverGateLeadership {
    /// Who.
    pub node: NodeRef,
    /// The token that is being taken over.
    pub expected_token: Token,
}

impl Apply<GateJob> for TakeoverGateLeadership {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        settle(self.take_over(job, stamp))
    }
}

impl TakeoverGateLeadership {
    fn take_over(self, job: &mut GateJob, stamp: Stamp) -> Tried {
        let token = job.leadership.token;
        if job.leadership.is_led_by(&self.node) && token >= self.expected_token {
            return Ok(Outcome::noop(&token));
        }
        ensure(token == self.expected_token, || Reason::Conflict { version: token.0 })?;
        Ok(Outcome::applied(&job.install_leader(self.node, stamp)))
    }
}

#[cfg(test)]
#[path = "takeover_gate_leadership_test.rs"]
mod takeover_gate_leadership_test;
#[cfg(test)]
pub(crate) use takeover_gate_leadership_test::CASES;
