//! Reading one group's log.

use std::{fmt, ops::Range, sync::Arc};

use crate::{Entry, LogId, ReadError, Snapshot, Vote, disk::Disk, fetch::fetch, lock::read, view::GroupCell};

/// How often a read is begun again because what it looked for was replaced meanwhile.
const TRIES: usize = 16;

/// A live view of one group's log; it sees every accepted change at once, durable or not. Newer entries are in memory,
/// older ones are read from disk and verified. After the group is removed it is empty.
#[derive(Clone)]
pub struct LogReader {
    cell: Arc<GroupCell>,
    disk: Arc<dyn Disk>,
}

impl LogReader {
    pub(crate) fn new(cell: Arc<GroupCell>, disk: Arc<dyn Disk>) -> Self {
        Self { cell, disk }
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

    /// The snapshot noted last.
    pub fn snapshot(&self) -> Option<Snapshot> {
        read(&self.cell.view).snapshot.as_deref().cloned()
    }

    /// The last entry, else what was purged last.
    pub fn last(&self) -> Option<LogId> {
        read(&self.cell.view).last()
    }

    /// Whether [`LogReader::entries`] would answer from memory alone.
    pub fn is_in_memory(&self, range: &Range<u64>) -> bool {
        read(&self.cell.view).holds(range)
    }

    /// The entries of `range` that exist, ascending, up to `bytes_max` of payload but at least one if there is any.
    /// May read from disk, and then verifies every checksum.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn entries(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, ReadError> {
        for _ in 0..TRIES {
            let wanted = read(&self.cell.view).want(range.clone(), bytes_max);
            if wanted.on_disk.is_empty() {
                return Ok(wanted.in_memory);
            }
            if let Some(mut entries) = fetch(&*self.disk, &self.cell.shelf, &wanted.on_disk, bytes_max)? {
                add_until_full(&mut entries, wanted, bytes_max);
                return Ok(entries);
            }
        }
        Err(ReadError::Unsettled)
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

/// What is in memory follows what was read from disk, if all of that was.
fn add_until_full(entries: &mut Vec<Entry>, wanted: crate::view::Wanted, bytes_max: usize) {
    if entries.len() < wanted.on_disk.len() {
        return;
    }
    let mut bytes: usize = entries.iter().map(|entry| entry.payload.len()).sum();
    let fitting = wanted.in_memory.into_iter().take_while(|entry| {
        bytes = bytes.saturating_add(entry.payload.len());
        bytes <= bytes_max
    });
    entries.extend(fitting);
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader")
            .field("key", &self.cell.key)
            .field("last", &self.last())
            .finish_non_exhaustive()
    }
}
