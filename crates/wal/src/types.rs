//! The values that go in and out of the log.

use bytes::Bytes;

use crate::WalError;

/// How a log is laid out on disk and how much may wait in memory.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size of one segment file, bytes; the first of a new log is smaller. One oversized batch may make a segment longer.
    pub segment_bytes: u64,
    /// Bytes on disk above which the oldest segments are rewritten and deleted.
    pub budget_bytes: u64,
    /// Bytes that may wait for the writer before an append is refused as [`WalError::Busy`].
    pub queue_bytes_max: usize,
    /// Records that may wait for the writer before an append is refused as [`WalError::Busy`].
    pub queue_records_max: usize,
    /// Bytes of the newest entries that are kept in memory for readers; older ones are read from disk.
    pub cache_bytes: usize,
    /// The node's id; it stands in every segment header, and a log of another node is refused.
    pub node: [u8; 16],
    /// The node's member number in its cluster; 0 while it has none yet, or to skip the check.
    pub member: u32,
}

impl Options {
    /// The defaults, for this node.
    pub fn new(node: [u8; 16]) -> Self {
        Self { node, ..Self::default() }
    }
}

impl Default for Options {
    /// 64 MiB segments, 1 GiB on disk, 64 MiB or 65,536 records waiting, 64 MiB of entries in memory, the nil node.
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            budget_bytes: 1 << 30,
            queue_bytes_max: 64 << 20,
            queue_records_max: 65_536,
            cache_bytes: 64 << 20,
            node: [0; 16],
            member: 0,
        }
    }
}

/// One life of one replicated group on this node.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, serde::Serialize)]
pub struct GroupKey {
    /// The group's id.
    pub group: u64,
    /// The replica's incarnation; a higher one closes every lower one of the same group.
    pub incarnation: u32,
}

/// Names one log entry.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Default, serde::Serialize)]
pub struct LogId {
    /// The term in which the entry was proposed.
    pub term: u64,
    /// The leader that proposed it, opaque here.
    pub origin: u64,
    /// Its position in the group's log.
    pub index: u64,
}

/// One log entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The entry's name.
    pub id: LogId,
    /// What it carries, opaque here; at most 8 MiB.
    pub payload: Bytes,
}

/// The vote of a group's replica.
#[derive(Copy, Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Vote {
    /// The term voted in.
    pub term: u64,
    /// The node voted for.
    pub node: u64,
    /// Whether a quorum granted this vote.
    pub committed: bool,
}

/// That a snapshot of a group exists, in the words of whoever keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    /// The last entry that the snapshot holds.
    pub id: LogId,
    /// Opaque here; at most 64 KiB.
    pub meta: Bytes,
}

/// When a group that has left memory wants to be loaded again.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Eviction {
    /// The earliest of its deadlines, milliseconds since 1970; none: it waits for nothing.
    pub due_ms: Option<u64>,
}

/// What is known of a group without opening it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// The last entry, else what was purged last.
    pub last: Option<LogId>,
    /// The last entry that was purged.
    pub purged: Option<LogId>,
    /// The vote saved last.
    pub vote: Option<Vote>,
    /// That it was evicted, if nothing was appended since.
    pub eviction: Option<Eviction>,
}

/// Acknowledged records of one group that are damaged or missing. The group must not be used: it might vote twice, or
/// have forgotten what it promised. It ends with [`crate::Wal::remove_group`] or with a higher incarnation.
#[derive(Copy, Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Damage {
    /// Whose records.
    #[serde(flatten)]
    pub key: GroupKey,
    /// The segment that holds the first of them.
    pub segment: u64,
    /// Where in the segment file, bytes.
    pub offset: u64,
    /// The first index concerned, as far as known.
    pub first: u64,
    /// The last index concerned, as far as known.
    pub last: u64,
    /// What does not hold.
    pub what: &'static str,
}

/// How full a log is: what a caller should still bring.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Level {
    /// Anything.
    #[default]
    Accept,
    /// Slow down what can wait.
    Throttle,
    /// Only batches, no single small changes that can wait.
    Batch,
    /// Nothing new: refuse proposals as busy, but go on voting, cancelling, purging and removing.
    Reject,
}

/// Told once, on the writer's thread, when the operation is durable or can never become so.
///
/// A call that answers `Ok` runs its `Done` exactly once; a call that answers `Err` never runs it.
pub type Done = Box<dyn FnOnce(Result<(), WalError>) + Send>;

/// Figures of a log at one moment.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// How full the log is.
    pub level: Level,
    /// Bytes in all segment files.
    pub bytes: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes of records that are still needed.
    pub live_bytes: u64,
    /// Records waiting for the writer.
    pub queue_records: usize,
    /// Bytes waiting for the writer.
    pub queue_bytes: usize,
    /// Batches made durable since the log was opened; each took one sync.
    pub syncs: u64,
    /// Records made durable since the log was opened, copies included.
    pub records: u64,
    /// Records copied to the tail since the log was opened, so that their segment could go.
    pub copies: u64,
    /// Segments of which nothing was needed any more, since the log was opened.
    pub segments_deleted: u64,
    /// Syncs since the log was opened whose only purpose was to attest the batch before, once each time it fell idle.
    pub seals: u64,
    /// Bytes written to segments since the log was opened, padding included, preparation not.
    pub bytes_written: u64,
    /// Segments prepared ahead.
    pub spares: u64,
    /// Bytes of entries in memory.
    pub cache_bytes: usize,
}
