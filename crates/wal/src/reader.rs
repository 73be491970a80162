//! Reading one group's log.

use std::{fmt, ops::Range, sync::Arc};

use crate::{Entry, LogId, Vote, lock::read, view::GroupCell};

/// A live view of one group's log; it sees every accepted change at once, durable or not, and never touches the disk.
/// After the group is removed it is empty.
#[derive(Clone)]
pub struct LogReader {
    cell: Arc<GroupCell>,
}

impl LogReader {
    pub(crate) fn new(cell: Arc<GroupCell>) -> Self {
        Self { cell }
    }

    /// The vote saved last.
    pub fn vote(&self) -> Option<Vote> {
        read(&self.cell.view).vote
    }

    /// The committed hint saved last; after a crash it may be older.
    pub fn committed(&self) -> Option<LogId> {
        read(&self.cell.view).committed
    }

    /// The last entry that was purged.
    pub fn purged(&self) -> Option<LogId> {
        read(&self.cell.view).purged
    }

    /// The last entry, else what was purged last.
    pub fn last(&self) -> Option<LogId> {
        read(&self.cell.view).last()
    }

    /// The entries of `range` that exist, ascending, up to `bytes_max` of payload but at least one if there is any.
    pub fn entries(&self, range: Range<u64>, bytes_max: usize) -> Vec<Entry> {
        read(&self.cell.view).read(range, bytes_max)
    }

    /// The index of the first entry that is there.
    pub fn first_index(&self) -> Option<u64> {
        read(&self.cell.view).first_index()
    }

    /// The last entry's id of each run of entries with equal term and origin, ascending; what was purged is not in it.
    pub fn log_ids_at_term_changes(&self) -> Vec<LogId> {
        read(&self.cell.view).last_of_runs()
    }
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader")
            .field("key", &self.cell.key)
            .field("last", &self.last())
            .finish_non_exhaustive()
    }
}
