//! What the users of one group see: every accepted change at once, durable or not.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize},
    },
};

use bytes::Bytes;

use crate::{
    Damage, Entry, Eviction, GroupKey, LogId, Snapshot, Summary, Vote, WalError, lean::give_back,
    ledger::Shelf, runs::Runs, trace::Trace,
};

/// What an entry in memory takes besides its payload, bytes.
const ENTRY_OVERHEAD: usize = 48;

/// One group's view and whether someone holds its handle. What the writer changes with each append comes first, so that it
/// shares a cache line with the count of owners and not with the view, which belongs to whoever appends.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct GroupCell {
    /// Bytes of this group that are not durable yet.
    pub(crate) queued: AtomicUsize,
    /// The newest append that is durable since this process started.
    pub(crate) durable: AtomicU64,
    /// The cache knows of it. Changed by the writer only.
    pub(crate) cached: AtomicBool,
    pub(crate) open: AtomicBool,
    pub(crate) key: GroupKey,
    /// What is on disk of it.
    pub(crate) shelf: Shelf,
    pub(crate) view: RwLock<View>,
}

impl GroupCell {
    pub(crate) fn new(key: GroupKey, view: View, shelf: Shelf) -> Self {
        Self {
            key,
            open: AtomicBool::new(false),
            view: RwLock::new(view),
            shelf,
            queued: AtomicUsize::new(0),
            durable: AtomicU64::new(0),
            cached: AtomicBool::new(false),
        }
    }
}

/// Whether a life can be used.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Health {
    #[default]
    Alive,
    Removed,
    Damaged(Box<Damage>),
}

/// The state of one group in memory; its entries are contiguous and follow what was purged.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) health: Health,
    pub(crate) vote: Option<Vote>,
    pub(crate) committed: Option<LogId>,
    pub(crate) purged: Option<LogId>,
    pub(crate) snapshot: Option<Box<Snapshot>>,
    pub(crate) eviction: Option<Eviction>,
    runs: Runs,
    /// The number of the last append.
    stamp: u64,
    /// The payloads of the newest entries, each with the number of its append.
    tail: VecDeque<(u64, Bytes)>,
}

/// Entries that were asked for: the first ones are only on disk.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) on_disk: Vec<LogId>,
    pub(crate) in_memory: Vec<Entry>,
}

impl View {
    pub(crate) fn from_trace(trace: &Trace, damage: Option<Damage>) -> Self {
        let state = trace.state();
        let mut view = Self {
            health: damage.map_or(Health::Alive, |damage| Health::Damaged(Box::new(damage))),
            vote: state.vote,
            committed: state.committed,
            purged: state.purged,
            snapshot: state.snapshot.map(Box::new),
            eviction: state.evicted.map(|due_ms| Eviction { due_ms }),
            ..Self::default()
        };
        trace.entries.iter().for_each(|(index, slot)| view.runs.push(slot.id(index)));
        view
    }

    /// A life that begins with a vote.
    pub(crate) fn voted(vote: Vote) -> Self {
        Self { vote: Some(vote), ..Self::default() }
    }

    /// Ends this life; gives back the bytes that it held in memory.
    pub(crate) fn end(&mut self, health: Health) -> usize {
        let freed = self.tail.iter().map(weight).sum();
        *self = Self { health, ..Self::default() };
        freed
    }

    pub(crate) fn check_alive(&self) -> Result<(), WalError> {
        match self.health {
            Health::Alive => Ok(()),
            Health::Removed => Err(WalError::Removed),
            Health::Damaged(_) => Err(WalError::Damaged),
        }
    }

    pub(crate) fn first_index(&self) -> Option<u64> {
        self.runs.first()
    }

    /// The last entry, else what was purged last.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.runs.last().or(self.purged)
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary { last: self.last(), purged: self.purged, vote: self.vote, eviction: self.eviction }
    }

    /// An empty log that was never purged may begin anywhere.
    pub(crate) fn check_append(&self, entries: &[Entry]) -> Result<(), WalError> {
        let mut expected = self.last().map(|last| last.index.saturating_add(1));
        for entry in entries {
            check_next(expected, entry.id.index)?;
            expected = Some(entry.id.index.saturating_add(1));
        }
        Ok(())
    }

    /// A purge may pass the last entry (a snapshot came instead) but must not leave a gap before the first.
    pub(crate) fn check_purge(&self, upto: LogId) -> Result<(), WalError> {
        let got = upto.index.saturating_add(1);
        match self.first_index() {
            Some(expected) if got < expected => Err(WalError::NotContiguous { expected, got }),
            _ => Ok(()),
        }
    }

    /// The number that the next append will have.
    pub(crate) fn next_stamp(&self) -> u64 {
        self.stamp + 1
    }

    /// Takes the entries of one append; gives back the bytes that they hold in memory.
    pub(crate) fn append(&mut self, entries: Vec<Entry>) -> usize {
        self.eviction = None;
        self.stamp += 1;
        let mut bytes = 0;
        if self.tail.is_empty() {
            self.tail.reserve_exact(entries.len());
        }
        for entry in entries {
            self.runs.push(entry.id);
            self.tail.push_back((self.stamp, entry.payload));
            bytes += self.tail.back().map_or(0, weight);
        }
        bytes
    }

    /// Removes the entries at and above `from`; gives back the bytes that they held in memory.
    pub(crate) fn truncate(&mut self, from: u64) -> usize {
        let before = self.end_index();
        self.runs.truncate(from);
        let gone = before.saturating_sub(from);
        let keep = self.tail.len().saturating_sub(usize::try_from(gone).unwrap_or(usize::MAX));
        self.tail.drain(keep..).map(|one| weight(&one)).sum()
    }

    /// Removes the entries up to `upto`; gives back the bytes that they held in memory.
    pub(crate) fn purge(&mut self, upto: LogId) -> usize {
        self.runs.purge(upto.index);
        self.purged = Some(upto);
        let count = self.runs.first().map_or(0, |first| self.end_index() - first);
        let keep = self.tail.len().min(usize::try_from(count).unwrap_or(usize::MAX));
        let gone = self.tail.len() - keep;
        self.forget(gone)
    }

    /// The oldest entries leave memory; gives back their bytes.
    fn forget(&mut self, count: usize) -> usize {
        let freed = self.tail.drain(..count).map(|one| weight(&one)).sum();
        give_back(&mut self.tail);
        freed
    }

    /// The entries of the oldest append leave memory if it is not newer than this one; gives back their bytes.
    pub(crate) fn evict(&mut self, durable: u64) -> usize {
        let Some(oldest) = self.tail.front().map(|(of, _)| *of).filter(|of| *of <= durable) else {
            return 0;
        };
        let gone = self.tail.partition_point(|(of, _)| *of <= oldest);
        self.forget(gone)
    }

    /// All entries that are on disk leave memory; gives back their bytes.
    pub(crate) fn evict_durable(&mut self, durable: u64) -> usize {
        let gone = self.tail.partition_point(|(of, _)| *of <= durable);
        let freed = self.forget(gone);
        self.tail.shrink_to_fit();
        freed
    }

    /// Whether any entry is in memory.
    pub(crate) fn is_cached(&self) -> bool {
        !self.tail.is_empty()
    }

    /// One past the last entry's index; 0 without entries.
    fn end_index(&self) -> u64 {
        self.runs.last().map_or(0, |last| last.index.saturating_add(1))
    }

    fn is_in_memory(&self, index: u64) -> bool {
        index >= self.end_index() - self.tail.len() as u64
    }

    /// Whether all entries of `range` are in memory.
    pub(crate) fn holds(&self, range: &Range<u64>) -> bool {
        let Some(first) = self.runs.first() else { return true };
        let start = range.start.max(first);
        start >= range.end.min(self.end_index()) || self.is_in_memory(start)
    }

    /// The entries of `range` that exist, in memory up to `bytes_max` of payload but at least one if there is any.
    pub(crate) fn want(&self, range: Range<u64>, bytes_max: usize) -> Wanted {
        let Some(first) = self.runs.first() else { return Wanted::default() };
        let ids = (range.start.max(first)..range.end.min(self.end_index()))
            .filter_map(|index| self.runs.get(index));
        let (mut wanted, mut bytes) = (Wanted::default(), 0);
        for id in ids {
            let Some(payload) = self.payload(id.index) else {
                wanted.on_disk.push(id);
                continue;
            };
            bytes += payload.len();
            if bytes > bytes_max && !wanted.in_memory.is_empty() {
                break;
            }
            wanted.in_memory.push(Entry { id, payload: payload.clone() });
        }
        wanted
    }

    fn payload(&self, index: u64) -> Option<&Bytes> {
        let from_end = usize::try_from(self.end_index().checked_sub(index)?).ok()?;
        self.tail.get(self.tail.len().checked_sub(from_end)?).map(|(_, payload)| payload)
    }

    /// The last entry of each run of equal (term, origin).
    pub(crate) fn last_of_runs(&self) -> Vec<LogId> {
        self.runs.last_of_runs()
    }
}

fn weight((_, payload): &(u64, Bytes)) -> usize {
    payload.len() + ENTRY_OVERHEAD
}

fn check_next(expected: Option<u64>, got: u64) -> Result<(), WalError> {
    match expected {
        Some(expected) if expected != got => Err(WalError::NotContiguous { expected, got }),
        _ => Ok(()),
    }
}
