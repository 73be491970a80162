//! `release_gate_leadership`: the leader steps down.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::NodeRef;
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::What;
use crate::machine::state::GateJob;

/// Nobody leads any more; the last token is kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReleaseGateLeadership {
    /// Who steps down.
    pub node: NodeRef,
    /// Who is meant to claim.
    pub successor: Option<NodeRef>,
}

impl Apply<GateJob> for ReleaseGateLeadership {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        settle(self.release(job, stamp))
    }
}

impl ReleaseGateLeadership {
    fn release(self, job: &mut GateJob, stamp: Stamp) -> Tried {
        let token = job.leadership.token;
        if job.leadership.leader.is_none() {
            return Ok(Outcome::noop(&token));
        }
        ensure(job.leadership.is_led_by(&self.node), || Reason::Conflict { version: token.0 })?;
        job.leadership.leader = None;
        job.leadership.successor = self.successor;
        job.note(What::Leader { name: String::new(), token }, stamp);
        Ok(Outcome::applied(&token))
    }
}

#[cfg(test)]
#[path = "release_gate_leadership_test.rs"]
mod release_gate_leadership_test;
#[cfg(test)]
pub(crate) use release_gate_leadership_test::CASES;
