//! The words and records about jobs that both tiers and workers share: statuses, exits, results, summaries.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{Attempt, Shard, WorkflowIx};
use crate::spec::ContextValue;
use crate::stats::StatsHistory;

/// Declares a status enum with its words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word used in JSON, logs and metrics.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The value with this word.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words!(
    /// A job's status at either tier (`submitted`, `dispatching` at gates; `queued` at managers). The void tombstone of
    /// a registration without submission is `void`.
    JobStatus {
        /// Accepted by a gate.
        Submitted = "submitted",
        /// Accepted by a manager.
        Queued = "queued",
        /// Being handed to datacenters.
        Dispatching = "dispatching",
        /// At least one shard started.
        Running = "running",
        /// All work done, results being gathered.
        Completing = "completing",
        /// A cancel was committed.
        Cancelling = "cancelling",
        /// Terminal: everything required completed.
        Completed = "completed",
        /// Terminal: some workflows failed, the job said `continue`.
        Partial = "partial",
        /// Terminal: failed.
        Failed = "failed",
        /// Terminal: cancelled.
        Cancelled = "cancelled",
        /// Terminal: its timeout passed.
        TimedOut = "timed_out",
        /// Terminal: registered, never submitted.
        Void = "void",
    }
);

impl JobStatus {
    /// Terminal means terminal.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Partial | Self::Failed | Self::Cancelled | Self::TimedOut | Self::Void
        )
    }

    /// The exit code of a command that follows the job to its end (see the contract's table).
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Completed => 0,
            Self::Failed => 10,
            Self::Cancelled => 11,
            Self::TimedOut => 12,
            Self::Partial => 13,
            Self::Submitted
            | Self::Queued
            | Self::Dispatching
            | Self::Running
            | Self::Completing
            | Self::Cancelling
            | Self::Void => 1,
        }
    }
}

words!(
    /// A workflow's status in one datacenter.
    WorkflowStatus {
        /// Waits for dependencies or cores.
        Pending = "pending",
        /// At least one shard has a worker.
        Assigned = "assigned",
        /// At least one shard runs.
        Running = "running",
        /// Being cancelled.
        Cancelling = "cancelling",
        /// Every shard succeeded.
        Completed = "completed",
        /// Completed and its outputs merged.
        Aggregated = "aggregated",
        /// A shard failed for good.
        Failed = "failed",
        /// Completed, but its outputs could not be merged.
        AggregationFailed = "aggregation_failed",
        /// A dependency did not complete.
        Skipped = "skipped",
        /// Cancelled.
        Cancelled = "cancelled",
    }
);

impl WorkflowStatus {
    /// No shard of it will run any more. (`completed` may still become `aggregated` or `aggregation_failed`.)
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed
                | Self::Aggregated
                | Self::Failed
                | Self::AggregationFailed
                | Self::Skipped
                | Self::Cancelled
        )
    }

    /// Did it do what its dependents need?
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Completed | Self::Aggregated)
    }
}

words!(
    /// One try at a shard.
    AttemptState {
        /// A worker holds cores for it.
        Reserved = "reserved",
        /// Confirmed, may be started.
        Provisioned = "provisioned",
        /// Its process runs.
        Running = "running",
        /// Exit code 0.
        Succeeded = "succeeded",
        /// Any other end.
        Failed = "failed",
        /// Its worker vanished.
        Lost = "lost",
        /// The worker would not start it; uses up nothing.
        Refused = "refused",
        /// Cancelled.
        Cancelled = "cancelled",
    }
);

impl AttemptState {
    /// May still change by itself.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Reserved | Self::Provisioned | Self::Running)
    }
}

words!(
    /// A shard, derived from its last attempt.
    ShardState {
        /// None, reserved, provisioned, or waiting for a retry.
        Pending = "pending",
        /// Its process runs.
        Running = "running",
        /// Accepted.
        Succeeded = "succeeded",
        /// Failed for good.
        Failed = "failed",
        /// Lost for good.
        Lost = "lost",
        /// Cancelled.
        Cancelled = "cancelled",
    }
);

words!(
    /// How a process ended.
    ExitKind {
        /// By itself, with a code.
        Exited = "exited",
        /// By a signal.
        Signaled = "signaled",
        /// Killed at its attempt timeout.
        TimedOut = "timed_out",
        /// Nobody knows: its worker vanished or restarted.
        Lost = "lost",
        /// Never started: no such program, no permission.
        SpawnFailed = "spawn_failed",
        /// The worker would not start it.
        Refused = "refused",
        /// Stopped because it was cancelled.
        Cancelled = "cancelled",
    }
);

/// How one attempt ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Exit {
    /// What happened.
    pub kind: ExitKind,
    /// Exit code, when it exited.
    #[serde(default)]
    pub code: Option<i32>,
    /// Signal number, when it was signalled.
    #[serde(default)]
    pub signal: Option<i32>,
    /// The reason, for people; at most 4 KiB.
    #[serde(default)]
    pub error: Option<String>,
}

impl Exit {
    /// Exit by itself with `code`.
    pub fn code(code: i32) -> Self {
        Self { kind: ExitKind::Exited, code: Some(code), signal: None, error: None }
    }

    /// Any other end, with a reason.
    pub fn because(kind: ExitKind, error: impl Into<String>) -> Self {
        Self { kind, code: None, signal: None, error: Some(error.into()) }
    }

    /// Exit code 0.
    pub fn is_success(&self) -> bool {
        self.kind == ExitKind::Exited && self.code == Some(0)
    }
}

/// Names one attempt of a job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct AttemptKey {
    /// The workflow.
    pub workflow: WorkflowIx,
    /// The shard.
    pub shard: Shard,
    /// The try.
    pub attempt: Attempt,
}

/// Sums and counts of numbers that a shard reported.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct StatTotal {
    /// How many samples.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// Numbers by name; at most 16 names per workflow.
pub type StatTotals = BTreeMap<String, StatTotal>;
/// Outputs of one shard by name; at most 4 KiB.
pub type Outputs = BTreeMap<String, ContextValue>;

/// The accepted result of one shard.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ShardResult {
    /// The shard.
    pub shard: Shard,
    /// The attempt that was accepted.
    pub attempt: Attempt,
    /// The worker's name.
    pub worker: String,
    /// How it ended.
    pub exit: Exit,
    /// What it put out.
    pub outputs: Outputs,
    /// Wall clock of the worker, ms since 1970; 0 when it never started.
    pub started_at_ms: u64,
    /// Wall clock of the worker, ms since 1970.
    pub finished_at_ms: u64,
}

/// The result of one workflow in one datacenter.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WorkflowResult {
    /// How it ended.
    pub status: WorkflowStatus,
    /// Why it failed or was skipped.
    pub error: Option<String>,
    /// The decided shards, by number.
    pub shards: Vec<ShardResult>,
    /// Their numbers, merged.
    pub stats: StatTotals,
    /// When its first shard was assigned.
    pub started_at_ms: Option<u64>,
    /// When it ended.
    pub finished_at_ms: Option<u64>,
}

/// The result of a job in one datacenter.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DcResult {
    /// How it ended there.
    pub status: JobStatus,
    /// One sentence: why.
    pub reason: Option<String>,
    /// The final context.
    pub context: BTreeMap<String, ContextValue>,
    /// Attempts that were cancelled without the worker's confirmation, and errors met.
    pub errors: Vec<String>,
    /// The job's numbers over time there, below 64 KiB: what `ReadStats` answers while the managers know the job.
    #[serde(default)]
    pub stats: StatsHistory,
    /// The final version of the context.
    #[serde(default)]
    pub context_version: u64,
}

/// How many shards are in which state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ShardCounts {
    /// All.
    pub total: u32,
    /// Not running yet.
    pub pending: u32,
    /// Running.
    pub running: u32,
    /// Accepted.
    pub succeeded: u32,
    /// Failed for good.
    pub failed: u32,
    /// Lost for good.
    pub lost: u32,
    /// Cancelled.
    pub cancelled: u32,
}

/// One workflow at a glance, as managers report it to gates.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WorkflowSummary {
    /// Its position in the spec.
    pub workflow: WorkflowIx,
    /// Its status.
    pub status: WorkflowStatus,
    /// Its shards.
    pub shards: ShardCounts,
    /// Attempts made so far.
    pub attempts: u32,
    /// 0..1 over all its shards.
    pub progress: f64,
    /// The last error, cut to 1 KiB.
    pub error: Option<String>,
    /// First assignment.
    pub started_at_ms: Option<u64>,
    /// End.
    pub finished_at_ms: Option<u64>,
}

/// What a cancel is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelScope {
    /// The whole job.
    Job,
    /// These workflows and all that depend on them.
    Workflows(Vec<WorkflowIx>),
}

/// A committed cancel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CancelOrder {
    /// What it is about.
    pub scope: CancelScope,
    /// Why, for people.
    pub reason: String,
    /// Who asked.
    pub requester: String,
    /// SIGTERM to SIGKILL; `None`: each workflow's own.
    pub grace_ms: Option<u64>,
    /// When unconfirmed attempts are listed and the cancel ends anyway, ms since 1970.
    pub deadline_ms: u64,
}

/// SHA-256 of a submission's body as received.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Digest(#[serde(with = "serde_bytes")] pub [u8; 32]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_its_json_form() {
        for status in JobStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.word());
            assert_eq!(JobStatus::from_word(status.word()), Some(*status));
        }
    }
}
