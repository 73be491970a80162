//! The log of one group, on the node's write-ahead log.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds, RangeInclusive};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use muster_allocator::lasting;
use muster_runtime::{TaskKind, TaskScope, is_sabotaged};
use muster_wal::{Done, GroupLog, LogReader, WalError};
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use tokio::sync::oneshot;

use super::convert::{self, ConvertError};
use super::types::{Entry, LogId, Types, Vote};

/// Payload bytes of one batch that is read or replicated; at least one entry is always given.
const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Pause before a full write queue is tried again, at first.
const BUSY_PAUSE: Duration = Duration::from_millis(2);
/// The longest such pause: the disk may be full.
const BUSY_PAUSE_MOST: Duration = Duration::from_millis(200);
/// How often it is tried before the group gives up: ten minutes.
const BUSY_TRIES: u32 = 3_000;
/// Reads of entries that are on disk only.
const READ: TaskKind = TaskKind::new("wal_read");

/// The one handle that changes a group's log. Cheap to clone for readers.
pub(crate) struct LogStore {
    log: GroupLog,
    reader: LogReader,
    scope: TaskScope,
}

impl LogStore {
    /// The scope is where blocking reads run.
    pub(crate) fn new(log: GroupLog, scope: TaskScope) -> Self {
        let reader = log.reader();
        Self { log, reader, scope }
    }

    fn store_reader(&self) -> StoreReader {
        StoreReader { log: self.reader.clone(), scope: self.scope.clone() }
    }
}

/// Reads a group's log; sees what was appended before it is durable.
#[derive(Clone)]
pub(crate) struct StoreReader {
    log: LogReader,
    scope: TaskScope,
}

impl StoreReader {
    /// From memory at once, from disk in a thread that may block.
    async fn entries(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, io::Error> {
        let read = match self.log.is_in_memory(&range) {
            true => self.log.entries(range, bytes_max),
            false => {
                let log = self.log.clone();
                let read = self.scope.spawn_blocking(READ, move || log.entries(range, bytes_max)).await;
                read.ok_or_else(|| io::Error::other("reading the write-ahead log panicked"))?
            }
        };
        let read = read.map_err(io::Error::other)?;
        let entries: Result<Vec<Entry>, ConvertError> = read.iter().map(convert::from_wal_entry).collect();
        Ok(entries?)
    }
}

impl RaftLogReader<Types> for StoreReader {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.entries(half_open(&range), usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.entries(start..end, BATCH_BYTES_MAX).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.log.vote().map(convert::from_wal_vote))
    }

    async fn get_key_log_ids(&mut self, range: RangeInclusive<LogId>) -> Result<Vec<LogId>, io::Error> {
        let ends = self.log.log_ids_at_term_changes().into_iter().map(convert::from_wal_log_id);
        let inside = ends.filter(|id| (range.start().index..range.end().index).contains(&id.index));
        let mut ids: Vec<LogId> = inside.collect();
        ids.push(*range.end());
        Ok(ids)
    }
}

fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let from = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    from..to
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.store_reader().try_get_log_entries(range).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.store_reader().limited_get_log_entries(start, end).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.reader.vote().map(convert::from_wal_vote))
    }

    async fn get_key_log_ids(&mut self, range: RangeInclusive<LogId>) -> Result<Vec<LogId>, io::Error> {
        self.store_reader().get_key_log_ids(range).await
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = StoreReader;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let last_purged_log_id = self.reader.purged().map(convert::from_wal_log_id);
        let last_log_id = self.reader.last().map(convert::from_wal_log_id);
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> StoreReader {
        self.store_reader()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let saved = durably(|done| self.log.save_vote(convert::wal_vote(vote), done));
        match is_sabotaged("vote-durable") {
            true => saved.now_or_never().unwrap_or(Ok(())),
            false => saved.await,
        }
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let Some(committed) = committed else { return Ok(()) };
        self.log.save_committed(convert::wal_log_id(&committed)).map_err(io::Error::other)
    }

    /// Never beyond the last entry: what is left of a log that lost its tail is still a part of what was committed.
    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        let last = self.reader.last();
        let beyond = |committed: muster_wal::LogId| last.is_none_or(|last| last.index < committed.index);
        let committed = self.reader.committed().map(|hint| if beyond(hint) { last } else { Some(hint) });
        Ok(committed.flatten().map(convert::from_wal_log_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let converted: Result<Vec<_>, ConvertError> =
            entries.into_iter().map(|entry| self.wal_entry(&entry)).collect();
        let flush = Arc::new(Flush::new(callback));
        self.append_when_possible(converted?, &flush).await?;
        if is_sabotaged("append-durable") {
            flush.complete(Ok(()));
        }
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let cut = durably(|done| self.log.truncate_after(last.map(|id| id.index), done));
        match is_sabotaged("truncate-durable") {
            true => cut.now_or_never().unwrap_or(Ok(())),
            false => cut.await,
        }
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        self.log.purge(convert::wal_log_id(&upto)).map_err(io::Error::other)
    }
}

impl LogStore {
    /// The log keeps a group's newest payloads in memory until the group rests, which the directory never does: its own
    /// stand with what lasts.
    fn wal_entry(&self, entry: &Entry) -> Result<muster_wal::Entry, ConvertError> {
        let converted = convert::wal_entry(entry)?;
        match self.log.key().group {
            0 => Ok(lasting(|| copied(&converted))),
            _ => Ok(converted),
        }
    }

    /// A full queue holds the group back; it does not stop it.
    async fn append_when_possible(
        &self,
        entries: Vec<muster_wal::Entry>,
        flush: &Arc<Flush>,
    ) -> Result<(), io::Error> {
        let mut pause = BUSY_PAUSE;
        for _ in 0..BUSY_TRIES {
            match self.log.append(entries.clone(), Flush::done(flush.clone())) {
                Err(WalError::Busy { .. }) => tokio::time::sleep(pause).await,
                other => return other.map_err(io::Error::other),
            }
            pause = (pause * 2).min(BUSY_PAUSE_MOST);
        }
        Err(io::Error::other("the write-ahead log took nothing for too long"))
    }
}

/// With all that it consists of: the count of its owners is made with the second of them.
fn copied(entry: &muster_wal::Entry) -> muster_wal::Entry {
    let payload = Bytes::copy_from_slice(&entry.payload);
    drop(payload.clone());
    muster_wal::Entry { payload, ..*entry }
}

/// Completes a flush exactly once: an append whose callback is lost would leave the leader waiting for ever.
struct Flush(Mutex<Option<IOFlushed<Types>>>);

impl Flush {
    fn new(callback: IOFlushed<Types>) -> Self {
        Self(Mutex::new(Some(callback)))
    }

    fn done(flush: Arc<Self>) -> Done {
        Box::new(move |result| flush.complete(result.map_err(io::Error::other)))
    }

    fn complete(&self, result: Result<(), io::Error>) {
        let callback = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(callback) = callback {
            callback.io_completed(result);
        }
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.complete(Err(io::Error::other("the write-ahead log dropped an append")));
    }
}

type Durable = oneshot::Receiver<Result<(), WalError>>;

/// A callback and what waits for it.
pub(crate) fn waiter() -> (Done, Durable) {
    let (sender, receiver) = oneshot::channel();
    (Box::new(move |result| drop(sender.send(result))), receiver)
}

/// Makes a call to the log and waits until what it has written is durable.
pub(crate) async fn durably(call: impl FnOnce(Done) -> Result<(), WalError>) -> Result<(), io::Error> {
    let (done, durable) = waiter();
    call(done).map_err(io::Error::other)?;
    until_durable(durable).await
}

pub(crate) async fn until_durable(durable: Durable) -> Result<(), io::Error> {
    match durable.await {
        Ok(result) => result.map_err(io::Error::other),
        Err(_) => Err(io::Error::other("the write-ahead log dropped an operation")),
    }
}
