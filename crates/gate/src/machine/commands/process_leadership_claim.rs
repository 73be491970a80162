//! `process_leadership_claim`: the second half of a planned hand-over.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::{NodeRef, Token};
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::state::GateJob;

/// Makes the claimer the leader under exactly the next token.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ProcessLeadershipClaim {
    /// Who.
    pub claimer: NodeRef,
    /// The token that it claims.
    pub token: Token,
}

impl Apply<GateJob> for ProcessLeadershipClaim {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        settle(self.claim(job, stamp))
    }
}

impl ProcessLeadershipClaim {
    fn claim(self, job: &mut GateJob, stamp: Stamp) -> Tried {
        let known = job.leadership.token;
        if job.leadership.is_led_by(&self.claimer) && known == self.token {
            return Ok(Outcome::noop(&known));
        }
        ensure(self.token == job.leadership.next_token(), || Reason::Conflict { version: known.0 })?;
        let meant = job.leadership.successor.as_ref().is_none_or(|successor| *successor == self.claimer);
        ensure(meant, || Reason::not_allowed("another successor is named"))?;
        Ok(Outcome::applied(&job.install_leader(self.claimer, stamp)))
    }
}

#[cfg(test)]
#[path = "process_leadership_claim_test.rs"]
mod process_leadership_claim_test;
#[cfg(test)]
pub(crate) use process_leadership_claim_test::CASES;
