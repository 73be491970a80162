//! Calls that managers serve for gates. A manager that does not lead the job forwards once to the one that does.
//!
//! | call | when the managers have purged the job (`Gone`), the gate answers from |
//! |---|---|
//! | [`ReadJobLog`] | nothing: it names the place, and the manager still asks the worker |
//! | [`ReadContext`] | the datacenter's result: `context`, `context_version` |
//! | [`ChangeContext`] | nothing: the job is over |
//! | [`ReadStats`] | the datacenter's result: `stats` |
//! | [`ExplainJob`] | its own record: the job waits for nothing there |
//!
//! A cancel of single workflows is [`CancelJob`] with `CancelScope::Workflows`: positions in the spec. All that depend
//! on them are cancelled as well, in every datacenter that has the job. `Confirmed` then means that nothing of these
//! workflows runs any more, while the job goes on; `AlreadyTerminal` that the whole job had ended before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calls;
use crate::ids::{Attempt, JobId, RequestId, Shard, Token, WorkflowIx};
use crate::job::{CancelOrder, Digest, JobStatus};
use crate::node::NodeRef;
use crate::spec::{ContextValue, JobSpec};
use crate::stats::StatsHistory;

calls! {
    50 => SubmitJob -> SubmitReply,
    51 => CancelJob -> CancelReply,
    52 => DescribeDatacenter -> DatacenterReport,
    53 => ReadJobLog -> LogChunk,
    54 => ReadContext -> ContextPage,
    55 => ChangeContext -> ContextChange,
    56 => ReadStats -> StatsHistory,
    57 => ExplainJob -> Explained,
    58 => ListWorkers -> WorkerList,
    59 => SetWorkerDraining -> WorkerRow,
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
    /// Who leads the job in the other datacenters that have taken it.
    #[serde(default)]
    pub siblings: Vec<Sibling>,
}

/// Who leads a job in another datacenter.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sibling {
    /// Where.
    pub datacenter: String,
    /// Who.
    pub manager: NodeRef,
    /// Its token there.
    pub manager_token: Token,
    /// The token of that datacenter's lease.
    pub dc_token: Token,
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
    /// Shards that wait for free cores, as far as this manager knows.
    #[serde(default)]
    pub queued: u32,
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

/// Reads the job's replicated key/values in this datacenter: linearizable.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadContext {
    /// The job.
    pub job: JobId,
    /// Already forwarded once.
    #[serde(default)]
    pub forwarded: bool,
}

/// The key/values and their version.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ContextPage {
    /// Rises by one with each change.
    pub version: u64,
    /// Every value by key; at most 256 KiB of keys and values.
    pub values: BTreeMap<String, ContextValue>,
}

/// Sets or deletes keys of the job's context in this datacenter, all or nothing. Workflows that are dispatched later
/// see the new values; running ones do not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChangeContext {
    /// The job.
    pub job: JobId,
    /// The client's request: a repeat gets the first answer. Never `RequestId::INTERNAL`.
    pub request: RequestId,
    /// Only when the context has this version (`If-Match`).
    pub expected_version: Option<u64>,
    /// New values by key; `None` deletes.
    pub updates: BTreeMap<String, Option<ContextValue>>,
    /// Already forwarded once.
    #[serde(default)]
    pub forwarded: bool,
}

/// What a change of the context came to. A job that has ended but is still kept answers `Refused`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ContextChange {
    /// Committed, or so already.
    Changed {
        /// The context's version now.
        version: u64,
        /// The values before, by key; `None`: there was none.
        previous: BTreeMap<String, Option<ContextValue>>,
    },
    /// It has another version than the expected one; nothing was changed.
    Conflict {
        /// Its version.
        version: u64,
    },
    /// A key over 256 bytes, or the context would be over its bound; nothing was changed.
    TooLarge {
        /// What is.
        what: String,
    },
}

/// Reads the job's numbers over time in this datacenter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadStats {
    /// The job.
    pub job: JobId,
    /// Of this workflow only.
    pub workflow: Option<WorkflowIx>,
    /// Only windows that start at or after, ms since 1970; 0: all.
    pub from_ms: u64,
    /// Windows are merged until they are at least so wide, milliseconds; 0: as kept (1 s, older ones wider).
    pub step_ms: u64,
    /// Already forwarded once.
    #[serde(default)]
    pub forwarded: bool,
}

/// Asks what the job waits for in this datacenter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExplainJob {
    /// The job.
    pub job: JobId,
    /// At most so many rows (≤ 1,000).
    pub limit: u32,
    /// Already forwarded once.
    #[serde(default)]
    pub forwarded: bool,
}

/// What a job waits for in one datacenter.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Explained {
    /// By workflow, then by shard; empty when it waits for nothing.
    pub rows: Vec<WaitRow>,
    /// Rows beyond the limit.
    pub more: u32,
}

/// Shards of one workflow that wait for the same thing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WaitRow {
    /// The workflow; `None`: the job as a whole.
    pub workflow: Option<WorkflowIx>,
    /// The first of the shards; `None`: the workflow as a whole.
    pub shard: Option<Shard>,
    /// How many shards wait for this.
    pub shards: u32,
    /// A stable word: `leader`, `dependency`, `cores`, `constraints`, `workers`, `gang`, `starting`, `retry`, `lost`,
    /// `running`, `cancel`, `report`.
    pub cause: String,
    /// One sentence.
    pub detail: String,
    /// When it is over at the latest, where that is known: a retry's time, a deadline; ms since 1970.
    pub until_ms: Option<u64>,
}

/// Lists the datacenter's workers, each asked for its load.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ListWorkers {}

/// The workers, by name.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct WorkerList {
    /// At most 10,000.
    pub workers: Vec<WorkerRow>,
}

/// One worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WorkerRow {
    /// Who.
    pub node: NodeRef,
    /// `active`, `suspect`, `draining`, `drained` or `dead`.
    pub state: String,
    /// All its cores.
    pub cores_total: u32,
    /// Of these in use by shards or held for them; as the worker says, else as far as this manager knows.
    pub cores_used: u32,
    /// Shards that run there; `None`: it did not answer.
    pub shards: Option<u32>,
    /// Results that nobody has acknowledged yet.
    pub results_pending: Option<u32>,
    /// What constraints match against.
    pub labels: BTreeMap<String, String>,
}

/// Tells a worker to take nothing new (or to take work again). Its shards go on; `drained` when none is left and every
/// result is acknowledged. The worker remembers it across its restarts. Any manager of the datacenter will do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetWorkerDraining {
    /// The worker's name, or its node id as text. Unknown: `Refused`.
    pub worker: String,
    /// Drain, or take work again.
    pub draining: bool,
}
