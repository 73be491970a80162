//! Bounds that apply checks: constants of the feature version.

/// Shards of all workflows of a job.
pub const SHARDS_PER_JOB_MAX: u64 = 100_000;
/// Attempts of one shard that may be lost before it is lost for good.
pub const LOST_ATTEMPTS_MAX: u32 = 10;
/// Outputs of one shard, bytes of names and values.
pub const SHARD_OUTPUT_BYTES_MAX: usize = 4 * 1024;
/// Outputs of one workflow, bytes of names and values.
pub const WORKFLOW_OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Outputs and errors kept for a whole job, bytes.
pub const JOB_KEPT_BYTES_MAX: usize = 5 * 1024 * 1024;
/// An error text, bytes; the rest is cut.
pub const ERROR_BYTES_MAX: usize = 1024;
/// Names of numbers per workflow.
pub const STAT_NAMES_MAX: usize = 16;
/// History of statistics of a job, bytes by estimate; beyond it windows are merged in pairs.
pub const STATS_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Membership events kept for people.
pub const EVENTS_MAX: usize = 1_000;
/// Nodes whose last event is known, and worker processes that attempts name.
pub const NODES_MAX: usize = 20_000;
/// Errors listed for a cancel.
pub const CANCEL_ERRORS_MAX: usize = 1_000;
/// A key of the context, bytes.
pub const CONTEXT_KEY_BYTES_MAX: usize = 256;
/// How far a token may be above the one known.
pub const TOKEN_LEAP_MAX: u64 = 1 << 20;
/// How long only a named successor may take over, milliseconds.
pub const SUCCESSOR_HOLD_MS: u64 = 5_000;
/// The longest delay before a retry, milliseconds.
pub const BACKOFF_MS_MAX: u64 = 300_000;
/// The first delay after a worker refused a start, milliseconds; doubles up to [`REFUSED_DELAY_MS_MAX`].
pub const REFUSED_DELAY_MS: u64 = 100;
/// The longest delay after a refusal, milliseconds.
pub const REFUSED_DELAY_MS_MAX: u64 = 5_000;
/// A group without a job becomes due this long after its job id was made, milliseconds.
pub const UNUSED_DUE_MS: u64 = 60_000;
/// How long a finished job is kept for gates that do not acknowledge it, where its retention is shorter, milliseconds.
pub const UNACKNOWLEDGED_KEPT_MS: u64 = 24 * 60 * 60 * 1_000;
