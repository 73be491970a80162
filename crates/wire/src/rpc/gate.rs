//! Calls that gates serve for managers. A gate that does not lead the job forwards once to the one that does. An
//! acknowledgement means: committed by the job's group on the gates.

use serde::{Deserialize, Serialize};

use super::{Ack, calls};
use crate::ids::{JobId, Token, WorkflowIx};
use crate::job::{DcResult, JobStatus, WorkflowResult, WorkflowSummary};
use crate::node::NodeRef;

calls! {
    80 => ReportProgress -> Ack,
    81 => ReportWorkflow -> Ack,
    82 => ReportJob -> Ack,
}

/// Who reports: the datacenter and the fences.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reporter {
    /// The job.
    pub job: JobId,
    /// The reporting datacenter.
    pub datacenter: String,
    /// Its lease's token.
    pub dc_token: Token,
    /// The job's leader there.
    pub manager: NodeRef,
    /// Its token.
    pub manager_token: Token,
    /// Already forwarded once.
    #[serde(default)]
    pub forwarded: bool,
}

/// Where the job is, at most once a second while it changes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReportProgress {
    /// Who says so.
    pub from: Reporter,
    /// Status there.
    pub status: JobStatus,
    /// Every workflow.
    pub workflows: Vec<WorkflowSummary>,
}

/// A workflow has ended there. Repeated until acknowledged.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReportWorkflow {
    /// Who says so.
    pub from: Reporter,
    /// Which.
    pub workflow: WorkflowIx,
    /// How.
    pub result: WorkflowResult,
}

/// The job has ended there. Repeated until acknowledged; then the manager tier purges it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReportJob {
    /// Who says so.
    pub from: Reporter,
    /// Every workflow, a last time.
    pub workflows: Vec<WorkflowSummary>,
    /// How.
    pub result: DcResult,
    /// Results of workflows that were not told by calls of their own: a short job is told in one call.
    #[serde(default)]
    pub results: Vec<WorkflowReport>,
}

/// A workflow's result within a [`ReportJob`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WorkflowReport {
    /// Which.
    pub workflow: WorkflowIx,
    /// How it ended.
    pub result: WorkflowResult,
}
