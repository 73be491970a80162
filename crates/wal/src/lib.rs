//! The node's write-ahead log: one log for all groups, one writer thread, one sync per batch.
//!
//! ```text
//! GroupLog --- view (memory, at once) ----------> LogReader
//!     |
//!   queue (bounded) --> writer thread: drain, write, sync, tell who waits, free old segments
//!                            |
//!                segments: header | batch | batch | ...     ledger: which record lives where
//! ```
//!
//! It knows bytes, groups and kinds of records; it does not know Raft, tokio, or any other part of this program. A change
//! is acknowledged only after its sync returned; the first I/O error is the last thing the log does.

mod active;
mod disk;
mod error;
mod fault;
mod format;
mod group_log;
mod ledger;
mod lock;
mod queue;
mod reader;
mod recovery;
mod shared;
mod store;
mod timer;
mod trace;
mod types;
mod usage;
mod view;
mod waiter;
mod wal;
mod writer;

#[cfg(test)]
mod model_test;
#[cfg(test)]
mod recovery_test;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod wal_test;

pub use disk::{Disk, DiskFile};
pub use error::{GroupError, OpenError, WalError};
pub use group_log::GroupLog;
pub use reader::LogReader;
pub use types::{Done, Entry, GroupKey, LogId, Options, Stats, Vote};
pub use wal::Wal;
