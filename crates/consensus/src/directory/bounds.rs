//! The directory's limits. They are constants of the feature version, so that every replica checks the same.

/// The longest idempotency key, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// The longest name of a job, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 128;
/// All labels of a job, keys and values, in bytes.
pub const LABEL_BYTES_MAX: usize = 2048;
/// The longest opening that the directory takes, in bytes.
pub const OPENING_BYTES_MAX: usize = 32 * 1024;
/// Openings that no group has committed yet, all together, in bytes.
pub const OPENINGS_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Keys of finished jobs are kept at least so long.
pub const KEY_KEEP_MS_MIN: u64 = 3_600_000;
/// Keys of so many last finished jobs are kept, however old.
pub const KEYED_KEPT: usize = 100_000;
/// Tombstones in all: beyond this the oldest go, however young.
pub const RETIRED_MAX: usize = 110_000;
/// What the rows may take in a snapshot, so that it always encodes; beyond this, registration answers `Busy`.
pub const STATE_BYTES_MAX: u64 = 15 * 1024 * 1024;
/// What one tombstone takes in a snapshot, in bytes.
pub(super) const RETIRED_BYTES: u64 = 76;
/// Jobs in one batch.
pub(super) const BATCH_MAX: usize = 10_000;
/// Members that were not removed.
pub(super) const MEMBERS_MAX: usize = 64;
/// Removed members that are still known by number.
pub(super) const REMOVED_MAX: usize = 256;
/// When a full directory is to be asked again.
pub(super) const BUSY_RETRY_MS: u64 = 1_000;
