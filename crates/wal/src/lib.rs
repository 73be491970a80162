//! The node's write-ahead log: one log for all groups, one writer thread, one sync per batch.
//!
//! ```text
//! GroupLog --- view (ids and newest entries in memory, at once) ---> LogReader <--- older entries from segments, verified
//!     |
//!   queue (bounded) --> writer thread: drain, write, sync, tell who waits, copy and free old segments
//!                            |                                       |
//!          segments: header | batch | batch | ...             keeper thread: spare segments made ahead, dead ones recycled
//!                            |
//!                     ledger: which record lives where
//! ```
//!
//! It knows bytes, groups and kinds of records; it does not know Raft, tokio, or any other part of this program. A change
//! is acknowledged only after its sync returned; the first I/O error is the last thing the log does.

mod active;
mod cache;
mod dir_lock;
mod disk;
mod driver;
mod error;
mod fault;
mod fetch;
mod format;
mod gate;
mod group_log;
mod inspect;
mod item;
mod lean;
mod ledger;
mod lock;
mod notes;
mod queue;
mod reader;
mod recovery;
mod rewrite;
mod runs;
mod sabotage;
mod shared;
mod slots;
mod space;
mod spares;
mod spin;
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
mod crash_test;
#[cfg(test)]
mod fault_test;
#[cfg(test)]
mod fuzz_test;
#[cfg(test)]
mod model_test;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod wal_test;

pub use disk::{Disk, DiskFile, RealDisk};
pub use driver::Driver;
pub use error::{GroupError, OpenError, ReadError, WalError};
pub use group_log::GroupLog;
pub use inspect::{GroupReport, Report, SegmentReport, inspect};
pub use reader::LogReader;
pub use types::{
    Damage, Done, Entry, Eviction, GroupKey, Level, LogId, Options, Snapshot, Stats, Summary, Vote,
};
pub use wal::Wal;
