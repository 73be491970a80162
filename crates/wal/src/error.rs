//! What can go wrong, by what the caller can do about it.

use std::{io, sync::Arc};

use crate::Damage;

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another handle or process holds this directory: stop it first.
    #[error("the log directory is in use by another process")]
    Locked,
    /// The log belongs to another node: this directory must not be served under this id.
    #[error("the log belongs to node {found:02x?}")]
    WrongNode {
        /// The node id in the segment headers.
        found: [u8; 16],
    },
    /// The log belongs to another member number of the cluster.
    #[error("the log belongs to member {found}")]
    WrongMember {
        /// The member number in the segment headers.
        found: u32,
    },
    /// Written by a version of this program that this one does not understand.
    #[error("segment {segment} has format version {found}")]
    Version {
        /// The segment's number.
        segment: u64,
        /// The version in its header.
        found: u16,
    },
    /// Acknowledged bytes are damaged: never repaired silently, an operator decides.
    #[error("segment {segment} is corrupt at byte {offset}: {what}")]
    Corrupt {
        /// The segment's number.
        segment: u64,
        /// Where in the file the damaged batch begins, bytes.
        offset: u64,
        /// What does not hold.
        what: &'static str,
    },
    /// The disk refused.
    #[error("cannot {what}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
}

/// Why a group's log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// Another handle on this group exists: drop it first.
    #[error("the group's log is open already")]
    AlreadyOpen,
    /// This life of the group was removed: use a new incarnation.
    #[error("this incarnation of the group was removed")]
    Removed,
    /// A newer life of the group exists: this one is over.
    #[error("incarnation {newest} of the group exists")]
    Superseded {
        /// The newest incarnation known.
        newest: u32,
    },
    /// Acknowledged records of this life are damaged: it must not be served here, only removed or superseded.
    #[error("records of the group are damaged in segment {segment} at byte {offset}: {what}", segment = .0.segment, offset = .0.offset, what = .0.what)]
    Damaged(Damage),
    /// The log itself cannot take the new group.
    #[error(transparent)]
    Wal(#[from] WalError),
}

/// Why an operation was refused or did not become durable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WalError {
    /// The queue is full and nothing was changed: try again later.
    #[error("the log's queue is full: {queued_records} records, {queued_bytes} bytes")]
    Busy {
        /// Records waiting.
        queued_records: usize,
        /// Bytes waiting.
        queued_bytes: usize,
    },
    /// The entry does not follow the last one (an index at or below it needs a truncation first).
    #[error("expected index {expected}, got {got}")]
    NotContiguous {
        /// The index that would follow.
        expected: u64,
        /// The index that was given.
        got: u64,
    },
    /// Records of this group exist, so it cannot be seeded.
    #[error("the group has records already")]
    NotEmpty,
    /// This life of the group was removed or a newer one exists.
    #[error("this incarnation of the group was removed")]
    Removed,
    /// Damage to acknowledged records of this group was found: it takes nothing more.
    #[error("records of the group are damaged")]
    Damaged,
    /// More bytes than one record or one batch may have.
    #[error("{bytes} bytes, at most {bytes_max}")]
    TooLarge {
        /// What was given.
        bytes: usize,
        /// What is allowed.
        bytes_max: usize,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// The first I/O error; the log takes nothing more in this process and the node must stop.
    #[error("the log failed: cannot {what}")]
    Failed {
        /// What was being done.
        what: &'static str,
        /// What the disk said.
        #[source]
        source: Arc<io::Error>,
    },
}

/// Why entries could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What is on disk is not what was written: stop serving the group from here.
    #[error("the entry at index {index} is damaged in segment {segment} at byte {offset}")]
    Corrupt {
        /// The segment's number.
        segment: u64,
        /// Where in the file the entry's frame begins, bytes.
        offset: u64,
        /// Which entry.
        index: u64,
    },
    /// The group's entries were replaced again and again while they were read: try again.
    #[error("the log changes too fast to be read")]
    Unsettled,
    /// The disk refused.
    #[error("cannot read a segment")]
    Io(#[from] io::Error),
}
