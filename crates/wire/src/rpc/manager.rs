//! Calls that managers serve for gates. A manager that does not lead the job forwards once to the one that does.

use serde::{Deserialize, Serialize};

use super::calls;
use crate::ids::{Attempt, JobId, Shard, Token, WorkflowIx};
use crate::job::{CancelOrder, Digest, JobStatus};
use crate::node::NodeRef;
use crate::spec::JobSpec;

calls! {
    50 => SubmitJob -> SubmitReply,
    51 => CancelJob -> CancelReply,
    52 => DescribeDatacenter -> DatacenterReport,
    53 => ReadJobLog -> LogChunk,
}

/// Runs a job in this datacenter. Idempotent by (job, digest): the repeat of a known job answers its state.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SubmitJob {
    /// The job.
    pub job: JobId,
    /// Of the submission's body.
    pub digest: Digest,
    /// What to run.
    pub spec: JobSpec,
    /// The gate that leads the job: results go there.
    pub gate: NodeRef,
    /// Its token for the job.
    pub gate_token: Token,
    /// The token of this datacenter's lease.
    pub dc_token: Token,
    /// When the lease ends: a manager that does not know the job refuses an expired one.
    pub lease_expires_ms: u64,
    /// Already forwarded once: answer `NotLeader` instead of forwarding again.
    #[serde(default)]
    pub forwarded: bool,
}

/// The job runs (or ran) here.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SubmitReply {
    /// Who leads the job in this datacenter.
    pub manager: NodeRef,
    /// Its token.
    pub manager_token: Token,
    /// The job's status here.
    pub status: JobStatus,
}

/// Cancels a job in this datacenter. A manager that does not know the job registers it as cancelled first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CancelJob {
    /// The job.
    pub job: JobId,
    /// Of the gate that leads it.
    pub gate_token: Token,
    /// What, why, until when.
    pub order: CancelOrder,
    /// Already forwarded once.
    #[serde(default)]
    pub forwarded: bool,
}

/// How far the cancel is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CancelReply {
    /// Committed; workers are being stopped. Ask again, or wait for the result.
    Cancelling,
    /// Nothing of it runs here any more.
    Confirmed {
        /// Errors and unconfirmed attempts.
        errors: Vec<String>,
    },
    /// It had ended before.
    AlreadyTerminal {
        /// How.
        status: JobStatus,
    },
}

/// Asks how the datacenter is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DescribeDatacenter {}

/// A datacenter at a glance.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DatacenterReport {
    /// Its name.
    pub datacenter: String,
    /// Managers alive, this one included.
    pub managers: Vec<NodeRef>,
    /// Workers alive.
    pub workers: u32,
    /// Their cores.
    pub cores_total: u32,
    /// Of these in use, as far as this manager knows.
    pub cores_used: u32,
    /// Does the managers' directory have a leader?
    pub has_leader: bool,
}

/// Reads a piece of a shard's log; the manager asks the worker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadJobLog {
    /// The job.
    pub job: JobId,
    /// The workflow.
    pub workflow: WorkflowIx,
    /// The shard; its last attempt is read.
    pub shard: Shard,
    /// Byte offset into the log; `None`: the last `limit` bytes.
    pub offset: Option<u64>,
    /// At most so many bytes (≤ 256 KiB).
    pub limit: u32,
    /// Where the log is, as the gate knows from the job's result: a manager that has purged the job asks there.
    #[serde(default)]
    pub place: Option<LogPlace>,
    /// Already forwarded once.
    #[serde(default)]
    pub forwarded: bool,
}

/// The attempt whose result was accepted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogPlace {
    /// The attempt.
    pub attempt: Attempt,
    /// The worker's name.
    pub worker: String,
}

/// A piece of a log.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LogChunk {
    /// Where it starts.
    pub offset: u64,
    /// The bytes.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
    /// The shard has ended and this reaches the end.
    pub finished: bool,
    /// The log was cut at its bound.
    pub truncated: bool,
}
