//! The types that openraft is instantiated with.

use std::fmt;

use bytes::Bytes;
use muster_machine::EntryReply;
use openraft::alias;

use super::convert;
use super::runtime::Runtime;

/// One entry as proposed, in the form that it has in the log and on the wire, so that it is not copied on its way: the kind
/// byte of a machine's entry, then the machine's own encoding, opaque to Raft.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command(pub(super) Bytes);

impl Command {
    /// Of a machine's encoded entry.
    pub(crate) fn new(entry: &[u8]) -> Self {
        Self(convert::with_kind(convert::NORMAL, entry))
    }

    /// The machine's encoded entry.
    pub(crate) fn entry(&self) -> Bytes {
        self.0.slice(1..)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry of {} bytes", self.0.len())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What applying an entry answered; `None` for entries that no machine sees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied(pub(crate) Option<EntryReply>);

/// A snapshot in memory: the replica, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotBytes(pub(crate) Bytes);

openraft::declare_raft_types!(
    /// openraft, with muster's entries and replies.
    pub(crate) Types:
        D = Command,
        R = Applied,
        NodeId = u64,
        Node = (),
        AsyncRuntime = Runtime,
);

pub(crate) type Entry = alias::EntryOf<Types>;
pub(crate) type LogId = alias::LogIdOf<Types>;
pub(crate) type Vote = alias::VoteOf<Types>;
pub(crate) type LeaderId = alias::LeaderIdOf<Types>;
pub(crate) type Payload = openraft::EntryPayload<Command, u64, ()>;
pub(crate) type Membership = openraft::Membership<u64, ()>;
pub(crate) type StoredMembership = alias::StoredMembershipOf<Types>;
pub(crate) type SnapshotMeta = alias::SnapshotMetaOf<Types>;
pub(crate) type Snapshot = alias::SnapshotOf<Types, SnapshotBytes>;
/// Vote, leader and state of an instance, as they change.
pub(crate) type Leadership = alias::WatchReceiverOf<Types, openraft::metrics::RaftServerMetrics<Types>>;
