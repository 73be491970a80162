//! What a replicated state machine is, without a word about how it is replicated.
//!
//! ```text
//!   Entry ── one or more commands, all or nothing ──▶ Replica<M> ──▶ one Outcome a command
//!                                                        │
//!                  answers of the last client requests ──┤
//!                  Table<M>: tag → name, guards, handler ─┴─▶ M, the state: persistent maps, O(1) clone
//! ```
//!
//! `apply` is total and deterministic: no clock, no randomness, no I/O, no hash-map order, no configuration.

pub mod entry;
pub mod fence;
pub mod outcome;
pub mod replica;
pub mod table;
pub mod transition;

pub use entry::{Entry, Envelope, FEATURE};
pub use outcome::{Outcome, Reason};
pub use replica::{EntryReply, Replica, ReplicaError};
pub use table::{Apply, Command, Guard, Row, Table};
pub use transition::Transitions;

use muster_wire::{CodecError, GroupId, JobId, NodeRef, Token};

/// The state of one replicated group. `Clone` must be O(1) (persistent maps): the clone before an entry is what a
/// rejected entry is undone to, and clones are the views that readers get.
pub trait Machine: Clone + Default + Send + Sync + 'static {
    /// `gate`, `manager` or `directory`: the `tier` label of `muster_commands_applied_total`.
    const TIER: &'static str;

    /// The one list of commands.
    fn table() -> &'static Table<Self>;

    /// The token that fenced commands must carry; `Token(0)` when nobody has led yet.
    fn token(&self) -> Token;

    /// Told once, when an empty replica is made.
    fn born(&mut self, _group: GroupId, _job: JobId) {}

    /// Adds to an entry what leaves the job to a successor, in a planned hand-over; `None` unless `leader`, this very
    /// process, acts for the job now.
    fn release(&self, _leader: &NodeRef, _successor: &NodeRef, _entry: Entry) -> Option<Entry> {
        None
    }

    /// The earliest time something is owed (a timeout, a retry, retention), in ms since 1970.
    fn next_due_ms(&self) -> Option<u64>;

    /// The tombstone, once the state is only that: the group may be retired.
    fn retired(&self) -> Option<Retired>;

    /// The state as bytes, versioned by the machine; called outside `apply`.
    fn encode(&self) -> Result<Vec<u8>, CodecError>;

    /// The state back from [`Machine::encode`]'s bytes.
    fn restore(bytes: &[u8]) -> Result<Self, CodecError>;
}

/// What is left of a purged job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Retired {
    /// How it ended.
    pub status: muster_wire::job::JobStatus,
    /// Its last token.
    pub token: Token,
    /// When, in ms since 1970.
    pub at_ms: u64,
}

/// The position, time and authority under which a command is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Log index of the entry.
    pub index: u64,
    /// Replicated time, ms since 1970: never falls.
    pub at_ms: u64,
    /// The token that the entry carries.
    pub token: Token,
    /// The entry's feature version.
    pub feature: u16,
}
