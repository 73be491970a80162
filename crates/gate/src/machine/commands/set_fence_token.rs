//! `set_fence_token`: a floor for the tokens of a restored or imported job.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::Token;
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::guard::check_reach;
use crate::machine::state::GateJob;

/// The next token is above this. Never falls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetFenceToken {
    /// The floor.
    pub token: Token,
}

impl Apply<GateJob> for SetFenceToken {
    fn apply(self, job: &mut GateJob, _: Stamp) -> Outcome {
        settle(self.raise(job))
    }
}

impl SetFenceToken {
    fn raise(self, job: &mut GateJob) -> Tried {
        let floor = job.leadership.floor;
        if self.token <= floor {
            return Ok(Outcome::noop(&floor));
        }
        ensure(job.leadership.leader.is_none(), || Reason::not_allowed("a leader exists"))?;
        check_reach(job, self.token)?;
        job.leadership.floor = self.token;
        Ok(Outcome::applied(&self.token))
    }
}

#[cfg(test)]
#[path = "set_fence_token_test.rs"]
mod set_fence_token_test;
#[cfg(test)]
pub(crate) use set_fence_token_test::CASES;
