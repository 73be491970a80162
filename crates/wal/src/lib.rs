//! The node's write-ahead log: one log for all groups, one writer thread, one sync per batch.
mod error;
mod group_log;
mod reader;
mod types;
mod wal;
pub use error::{GroupError, OpenError, WalError};
pub use group_log::GroupLog;
pub use reader::LogReader;
pub use types::{Done, Entry, GroupKey, LogId, Options, Stats, Vote};
pub use wal::Wal;
