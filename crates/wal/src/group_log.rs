//! The one handle that changes a group's log.

use std::{
    fmt,
    sync::{Arc, RwLockWriteGuard, atomic::Ordering},
};

use crate::{
    Done, Entry, GroupKey, LogId, LogReader, Vote, Wal, WalError,
    format::{Op, RECORD_BYTES_MAX, Record},
    item::{Item, Lane, Records},
    lock::{read, write},
    shared::Shared,
    view::{GroupCell, View},
};

/// The log of one group. There is one such handle per group at a time; dropping it releases the group.
///
/// Changes are seen by every reader at once, become durable in the order of the calls, and their callbacks run in that
/// order. A call that answers an error has changed nothing and never runs its `done`; a call that answers `Ok` runs it
/// exactly once, with an error if the log fails or closes before.
pub struct GroupLog {
    cell: Arc<GroupCell>,
    wal: Wal,
}

impl GroupLog {
    pub(crate) fn new(cell: Arc<GroupCell>, wal: Wal) -> Self {
        Self { cell, wal }
    }

    /// Which group this is.
    pub fn key(&self) -> GroupKey {
        self.cell.key
    }

    /// Appends entries; `done` runs when the last of them is durable. The first must follow the last entry (or what was
    /// purged); an empty log that was never purged may begin at any index.
    ///
    /// # Errors
    /// `Busy`, `NotContiguous` (an index at or below the last one needs [`GroupLog::truncate_after`] first), `TooLarge`,
    /// `Removed`, `Damaged`, or that the log is closed or failed.
    pub fn append(&self, entries: Vec<Entry>, done: Done) -> Result<(), WalError> {
        let records = match &entries[..] {
            [entry] => Records::One(entry_record(self.cell.key, entry)?),
            _ => Records::Many(entry_records(self.cell.key, &entries)?),
        };
        let mut view = self.view()?;
        view.check_append(&entries)?;
        let stamp = view.next_stamp();
        self.shared().queue.push(Item::append(&self.cell, stamp, records, done))?;
        let bytes = view.append(entries);
        self.shared().cache.grow(bytes);
        Ok(())
    }

    /// Saves the vote. `Busy` only when a full disk has no byte for it.
    ///
    /// # Errors
    /// `Busy`, `Removed`, `Damaged`, or that the log is closed or failed.
    pub fn save_vote(&self, vote: Vote, done: Done) -> Result<(), WalError> {
        let mut view = self.view()?;
        self.push_one(Lane::Reserved, Op::Vote(vote), Some(done))?;
        view.vote = Some(vote);
        Ok(())
    }

    /// Removes all entries above `last`, or all entries. `Busy` only when a full disk has no byte for it.
    ///
    /// # Errors
    /// `Busy`, `Removed`, `Damaged`, or that the log is closed or failed.
    pub fn truncate_after(&self, last: Option<u64>, done: Done) -> Result<(), WalError> {
        let from = last.map_or(0, |last| last.saturating_add(1));
        let mut view = self.view()?;
        self.push_one(Lane::Reserved, Op::Truncate(from), Some(done))?;
        let freed = view.truncate(from);
        self.shared().cache.shrink(freed);
        Ok(())
    }

    /// Removes all entries up to and including `upto`, which may be above the last one. Durable with whatever is
    /// written next; a purge at or below an earlier one changes nothing.
    ///
    /// # Errors
    /// `NotContiguous` when it would leave a gap before the first entry, `Removed`, `Damaged`, or that the log is closed or failed.
    pub fn purge(&self, upto: LogId) -> Result<(), WalError> {
        let mut view = self.view()?;
        if view.purged.is_some_and(|purged| upto.index <= purged.index) {
            return Ok(());
        }
        view.check_purge(upto)?;
        self.push_one(Lane::Lazy, Op::Purge(upto), None)?;
        let freed = view.purge(upto);
        self.shared().cache.shrink(freed);
        Ok(())
    }

    /// Notes what is committed: a hint that becomes durable with whatever is written next, if nothing newer replaces it.
    ///
    /// # Errors
    /// `Removed`, or that the log is closed or failed.
    pub fn save_committed(&self, committed: LogId) -> Result<(), WalError> {
        let mut view = self.view()?;
        self.shared().queue.hint(self.cell.key, committed)?;
        view.committed = Some(committed);
        Ok(())
    }

    /// A reader that sees every change at once; it may outlive this handle.
    pub fn reader(&self) -> LogReader {
        LogReader::new(self.cell.clone(), self.shared().disk.clone())
    }

    fn view(&self) -> Result<RwLockWriteGuard<'_, View>, WalError> {
        let view = write(&self.cell.view);
        view.check_alive()?;
        Ok(view)
    }

    fn push_one(&self, lane: Lane, op: Op, done: Option<Done>) -> Result<(), WalError> {
        let record = Record { key: self.cell.key, op };
        self.shared().queue.push(Item::new(lane, record, done))
    }

    fn shared(&self) -> &Shared {
        self.wal.shared()
    }
}

/// A group that nobody uses takes no room in the cache.
impl Drop for GroupLog {
    fn drop(&mut self) {
        let durable = self.cell.durable.load(Ordering::Acquire);
        let freed = write(&self.cell.view).evict_durable(durable);
        self.shared().cache.shrink(freed);
        self.cell.open.store(false, Ordering::Release);
    }
}

impl fmt::Debug for GroupLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = read(&self.cell.view);
        f.debug_struct("GroupLog")
            .field("key", &self.cell.key)
            .field("last", &view.last())
            .finish_non_exhaustive()
    }
}

/// One record per entry; none may be larger than 8 MiB.
pub(crate) fn entry_records(key: GroupKey, entries: &[Entry]) -> Result<Vec<Record>, WalError> {
    entries.iter().map(|entry| entry_record(key, entry)).collect()
}

fn entry_record(key: GroupKey, entry: &Entry) -> Result<Record, WalError> {
    let bytes = entry.payload.len();
    match bytes > RECORD_BYTES_MAX {
        true => Err(WalError::TooLarge { bytes, bytes_max: RECORD_BYTES_MAX }),
        false => Ok(Record { key, op: Op::Entry(entry.clone()) }),
    }
}
