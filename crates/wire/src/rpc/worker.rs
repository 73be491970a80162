//! Calls between managers and workers. The worker is the authority on its cores; every call to it carries the manager's
//! token, and a token below the highest seen for the job is `Fenced`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::manager::LogChunk;
use super::{Ack, calls};
use crate::ids::{DispatchToken, Generation, JobId, Token, WorkflowIx};
use crate::job::{AttemptKey, AttemptState, Exit, Outputs, StatTotals};
use crate::node::NodeRef;
use crate::spec::ContextValue;
use crate::stats::Histogram;

calls! {
    100 => Reserve -> Reservation,
    101 => ReleaseReservation -> Ack,
    102 => StartShard -> StartReply,
    103 => StopShards -> StopReply,
    104 => AdoptJob -> HeldAttempts,
    105 => ForgetJob -> Ack,
    106 => ReadShardLog -> LogChunk,
    107 => DescribeWorker -> WorkerReport,
    108 => DrainWorker -> WorkerReport,
    130 => ReportShardProgress -> Ack,
    131 => ReportShardResult -> ResultReply,
    132 => FindJobLeader -> JobLeader,
    133 => CoresFree -> Ack,
}

/// How urgent a dispatch is: smaller sorts first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Rank {
    /// 100 − priority.
    pub inverse_priority: u8,
    /// When the job was created.
    pub created_at_ms: u64,
    /// The job.
    pub job: JobId,
}

/// Holds cores for one attempt for 10 s of the worker's monotonic clock. Answered at once. A higher token replaces.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reserve {
    /// The job.
    pub job: JobId,
    /// The manager's token.
    pub token: Token,
    /// The attempt.
    pub key: AttemptKey,
    /// Cores for it.
    pub cores: u32,
    /// Its urgency.
    pub rank: Rank,
    /// All shards of the workflow start together.
    pub gang: bool,
    /// Who is told with [`CoresFree`] when there is room after a `Full`.
    #[serde(default)]
    pub manager: Option<NodeRef>,
}

/// The worker's answer to [`Reserve`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reservation {
    /// Held for so many milliseconds.
    Held {
        /// The worker's process start: `start` must name it.
        generation: Generation,
        /// How long.
        hold_ms: u64,
    },
    /// No room.
    Full {
        /// Cores free now.
        cores_free: u32,
    },
    /// The worker is draining or shutting down.
    Draining,
}

/// Gives a reservation back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReleaseReservation {
    /// The job.
    pub job: JobId,
    /// The manager's token.
    pub token: Token,
    /// The attempt.
    pub key: AttemptKey,
}

/// Starts one attempt under a held reservation. The same attempt already started answers its state and adopts the
/// higher token; it never starts again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StartShard {
    /// The job.
    pub job: JobId,
    /// The manager's token.
    pub token: Token,
    /// The attempt's own fence, given to the process as `MUSTER_FENCE`.
    pub dispatch: DispatchToken,
    /// The attempt.
    pub key: AttemptKey,
    /// The worker's process start that held the reservation.
    pub generation: Generation,
    /// Where progress and the result go.
    pub manager: NodeRef,
    /// What to run.
    pub run: RunSpec,
}

/// A process to run: everything interpolated.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunSpec {
    /// The workflow's name.
    pub workflow: String,
    /// Shards of the workflow.
    pub shards: u32,
    /// Cores it was given.
    pub cores: u32,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The spec's environment.
    pub env: BTreeMap<String, String>,
    /// Killed after so long.
    pub timeout_ms: u64,
    /// SIGTERM to SIGKILL.
    pub grace_ms: u64,
    /// The job's context, given as the file `MUSTER_CONTEXT`.
    pub context: BTreeMap<String, ContextValue>,
    /// Its version.
    pub context_version: u64,
}

/// The worker's answer to [`StartShard`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StartReply {
    /// It runs, or ran.
    Started {
        /// Its state now.
        state: AttemptState,
    },
    /// Not started and never will be under this attempt: record it as `refused`.
    Refused {
        /// Why.
        why: String,
    },
}

/// Stops attempts: SIGTERM to each process group, then SIGKILL after the grace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StopShards {
    /// The job.
    pub job: JobId,
    /// The manager's token.
    pub token: Token,
    /// Which attempts.
    pub keys: Vec<AttemptKey>,
    /// SIGTERM to SIGKILL; `None`: each attempt's own.
    pub grace_ms: Option<u64>,
}

/// Which of the attempts do not run (any more) on this worker: confirmed stopped. Ask again for the others.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StopReply {
    /// Not running here.
    pub stopped: Vec<AttemptKey>,
    /// Still stopping.
    pub stopping: Vec<AttemptKey>,
}

/// A new job leader presents its token; the worker sends progress and results there from now on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AdoptJob {
    /// The job.
    pub job: JobId,
    /// The new token.
    pub token: Token,
    /// The new leader.
    pub manager: NodeRef,
}

/// What the worker holds of a job.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HeldAttempts {
    /// Attempt and state; ended ones whose result is not acknowledged included.
    pub attempts: Vec<(AttemptKey, AttemptState)>,
}

/// The job is over: the worker drops what it kept of it, logs after retention.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ForgetJob {
    /// The job.
    pub job: JobId,
    /// The manager's token.
    pub token: Token,
}

/// Reads a piece of a shard's log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadShardLog {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub key: AttemptKey,
    /// Byte offset; `None`: the last `limit` bytes.
    pub offset: Option<u64>,
    /// At most so many bytes (≤ 256 KiB).
    pub limit: u32,
}

/// Asks a worker how it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DescribeWorker {}

/// Tells a worker to take nothing new, or to take work again; kept across its restarts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DrainWorker {
    /// Drain, or take work again.
    pub draining: bool,
}

/// A worker at a glance, from itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct WorkerReport {
    /// All its cores.
    pub cores_total: u32,
    /// In use by shards.
    pub cores_used: u32,
    /// Held for shards that have not started.
    pub cores_held: u32,
    /// Shards that run.
    pub shards: u32,
    /// Results not acknowledged yet.
    pub results_pending: u32,
    /// It takes nothing new.
    pub draining: bool,
}

/// Progress of running attempts, at most once a second and job.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReportShardProgress {
    /// The job.
    pub job: JobId,
    /// The token that the worker knows.
    pub token: Token,
    /// The worker.
    pub worker: NodeRef,
    /// One row an attempt.
    pub rows: Vec<ProgressRow>,
    /// The worker's monotonic clock when this was sent, milliseconds; 0: not told.
    #[serde(default)]
    pub clock_ms: u64,
    /// Windows that have closed since the last acknowledged report, with all samples of the attempts in them.
    #[serde(default)]
    pub windows: Vec<ShardWindow>,
}

/// Samples of one workflow's attempts on one worker within one second of the worker's monotonic clock.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ShardWindow {
    /// The workflow.
    pub workflow: WorkflowIx,
    /// Where the window starts on the worker's monotonic clock, milliseconds.
    pub start_ms: u64,
    /// Sums by name.
    pub counters: StatTotals,
    /// Distributions by name.
    pub histograms: BTreeMap<String, Histogram>,
}

/// Progress of one attempt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ProgressRow {
    /// The attempt.
    pub key: AttemptKey,
    /// Rises with each row of this attempt.
    pub sequence: u64,
    /// Its state.
    pub state: AttemptState,
    /// 0..1 as the process reported it.
    pub fraction: f64,
    /// Worker's wall clock.
    pub started_at_ms: u64,
    /// Totals of the numbers reported so far.
    pub stats: StatTotals,
}

/// The result of one attempt, retried until acknowledged.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReportShardResult {
    /// The job.
    pub job: JobId,
    /// The token that the worker knows.
    pub token: Token,
    /// The attempt's own fence.
    pub dispatch: DispatchToken,
    /// The worker.
    pub worker: NodeRef,
    /// The attempt.
    pub key: AttemptKey,
    /// How it ended.
    pub exit: Exit,
    /// What it put out.
    pub outputs: Outputs,
    /// Context values it set, in order of the keys; `None` deletes.
    pub context: BTreeMap<String, Option<ContextValue>>,
    /// Totals of its numbers.
    pub stats: StatTotals,
    /// Worker's wall clock; 0 when it never started.
    pub started_at_ms: u64,
    /// Worker's wall clock.
    pub finished_at_ms: u64,
    /// Already forwarded once.
    #[serde(default)]
    pub forwarded: bool,
}

/// What became of a result. Every answer is an acknowledgement: the worker drops it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ResultReply {
    /// Committed as this attempt's result.
    Recorded,
    /// Another result of this attempt was committed before.
    AlreadyRecorded,
    /// A newer attempt exists, or the job is over: counted as fenced.
    Stale,
}

/// Who leads this job? Asked by a worker whose manager vanished.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FindJobLeader {
    /// The job.
    pub job: JobId,
}

/// The job's leader as this manager knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobLeader {
    /// Who.
    pub manager: NodeRef,
    /// Its token.
    pub token: Token,
}

/// A worker that had no room for a job has some now, and keeps it for that job for a quarter of a second. A hint: it may
/// be lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CoresFree {
    /// The job whose turn it is.
    pub job: JobId,
}
