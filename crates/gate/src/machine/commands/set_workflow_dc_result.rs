//! `set_workflow_dc_result`: how a workflow ended in a datacenter.

use std::sync::Arc;

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::WorkflowResult;
use muster_wire::{Token, WorkflowIx};
use serde::{Deserialize, Serialize};

use super::set_dc_result::Reported;
use super::{Tried, ensure, settle};
use crate::machine::What;
use crate::machine::state::GateJob;

/// The first terminal result of a workflow per datacenter and token.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SetWorkflowDcResult {
    /// Which workflow.
    pub workflow: WorkflowIx,
    /// Which datacenter.
    pub dc: String,
    /// Its lease's token.
    pub dc_token: Token,
    /// How the workflow ended there.
    pub result: WorkflowResult,
}

impl Apply<GateJob> for SetWorkflowDcResult {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        settle(self.record(job, stamp))
    }
}

impl SetWorkflowDcResult {
    fn record(self, job: &mut GateJob, stamp: Stamp) -> Tried {
        let known = job.spec().is_some_and(|spec| spec.workflow(self.workflow).is_some());
        let sound = known && self.result.status.is_terminal();
        ensure(sound, || Reason::malformed("a terminal result of a workflow of this job"))?;
        let dc = job.known_dc(&self.dc)?;
        dc.check_token(self.dc_token)?;
        let first = dc.workflow_results.get(&self.workflow).filter(|(token, _)| *token == self.dc_token);
        if let Some((_, known)) = first {
            ensure(**known == self.result, || Reason::AlreadyRecorded)?;
            return Ok(Outcome::noop(&reported(job, self.workflow)));
        }
        let status = self.result.status;
        dc.workflow_results.insert(self.workflow, (self.dc_token, Arc::new(self.result)));
        dc.heard_at_ms = stamp.at_ms;
        job.note(What::WorkflowResult { dc: self.dc, workflow: self.workflow, status }, stamp);
        Ok(Outcome::applied(&reported(job, self.workflow)))
    }
}

fn reported(job: &GateJob, workflow: WorkflowIx) -> Reported {
    Reported { all: job.has_workflow_everywhere(workflow) }
}

#[cfg(test)]
#[path = "set_workflow_dc_result_test.rs"]
mod set_workflow_dc_result_test;
#[cfg(test)]
pub(crate) use set_workflow_dc_result_test::CASES;
