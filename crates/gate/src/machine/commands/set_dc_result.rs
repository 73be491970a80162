//! `set_dc_result`: how the job ended in a datacenter.

use std::sync::Arc;

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::Token;
use muster_wire::job::DcResult;
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::What;
use crate::machine::state::GateJob;

/// The first terminal result of a datacenter per token.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SetDcResult {
    /// Which datacenter.
    pub dc: String,
    /// Its lease's token.
    pub dc_token: Token,
    /// How the job ended there.
    pub result: DcResult,
}

/// Have all targets reported it now?
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reported {
    /// Every target has.
    pub all: bool,
}

impl Apply<GateJob> for SetDcResult {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        settle(self.record(job, stamp))
    }
}

impl SetDcResult {
    fn record(self, job: &mut GateJob, stamp: Stamp) -> Tried {
        ensure(self.result.status.is_terminal(), || Reason::malformed("a result is terminal"))?;
        let dc = job.known_dc(&self.dc)?;
        dc.check_token(self.dc_token)?;
        if let Some((_, known)) = dc.result.clone().filter(|(token, _)| *token == self.dc_token) {
            ensure(*known == self.result, || Reason::AlreadyRecorded)?;
            return Ok(Outcome::noop(&reported(job)));
        }
        let (status, errors) = (self.result.status, self.result.errors.clone());
        dc.result = Some((self.dc_token, Arc::new(self.result)));
        dc.heard_at_ms = stamp.at_ms;
        job.note_errors(errors.into_iter().map(|error| format!("{}: {error}", self.dc)));
        job.note(What::DcResult { dc: self.dc, status }, stamp);
        Ok(Outcome::applied(&reported(job)))
    }
}

fn reported(job: &GateJob) -> Reported {
    Reported { all: job.all_targets_reported(|dc| dc.result.is_some()) }
}

#[cfg(test)]
#[path = "set_dc_result_test.rs"]
mod set_dc_result_test;
#[cfg(test)]
pub(crate) use set_dc_result_test::CASES;
