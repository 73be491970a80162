//! What the users of one group see: every accepted change at once, durable or not.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{RwLock, atomic::AtomicBool},
};

use crate::{Entry, GroupKey, LogId, Vote, WalError, trace::Trace};

/// One group's view and whether someone holds its handle.
#[derive(Debug)]
pub(crate) struct GroupCell {
    pub(crate) key: GroupKey,
    pub(crate) open: AtomicBool,
    pub(crate) view: RwLock<View>,
}

impl GroupCell {
    pub(crate) fn new(key: GroupKey, view: View) -> Self {
        Self { key, open: AtomicBool::new(false), view: RwLock::new(view) }
    }
}

/// The state of one group in memory; its entries are contiguous and follow what was purged.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) removed: bool,
    pub(crate) vote: Option<Vote>,
    pub(crate) committed: Option<LogId>,
    pub(crate) purged: Option<LogId>,
    pub(crate) entries: VecDeque<Entry>,
}

impl View {
    pub(crate) fn from_trace(trace: &Trace) -> Self {
        Self {
            removed: false,
            vote: trace.vote.as_ref().map(|kept| kept.value),
            committed: trace.committed.as_ref().map(|kept| kept.value),
            purged: trace.purged.as_ref().map(|kept| kept.value),
            entries: trace.entries.values().map(|kept| kept.value.clone()).collect(),
        }
    }

    pub(crate) fn remove(&mut self) {
        *self = Self { removed: true, ..Self::default() };
    }

    pub(crate) fn check_alive(&self) -> Result<(), WalError> {
        match self.removed {
            true => Err(WalError::Removed),
            false => Ok(()),
        }
    }

    pub(crate) fn first_index(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.id.index)
    }

    /// The last entry, else what was purged last.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.entries.back().map(|entry| entry.id).or(self.purged)
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

    pub(crate) fn truncate(&mut self, from: u64) {
        let stays = self.entries.partition_point(|entry| entry.id.index < from);
        self.entries.truncate(stays);
    }

    pub(crate) fn purge(&mut self, upto: LogId) {
        let gone = self.entries.partition_point(|entry| entry.id.index <= upto.index);
        self.entries.drain(..gone);
        self.purged = Some(upto);
    }

    /// Entries of `range` up to `bytes_max` of payload, at least one if there is any.
    pub(crate) fn read(&self, range: Range<u64>, bytes_max: usize) -> Vec<Entry> {
        let start = self.entries.partition_point(|entry| entry.id.index < range.start);
        let mut bytes = 0;
        let mut out = Vec::new();
        for entry in self.entries.range(start..).take_while(|entry| entry.id.index < range.end) {
            bytes += entry.payload.len();
            if bytes > bytes_max && !out.is_empty() {
                break;
            }
            out.push(entry.clone());
        }
        out
    }

    /// The last entry of each run of equal (term, origin).
    pub(crate) fn last_of_runs(&self) -> Vec<LogId> {
        let mut runs: Vec<LogId> = Vec::new();
        for entry in &self.entries {
            runs.pop_if(|last| (last.term, last.origin) == (entry.id.term, entry.id.origin));
            runs.push(entry.id);
        }
        runs
    }
}

fn check_next(expected: Option<u64>, got: u64) -> Result<(), WalError> {
    match expected {
        Some(expected) if expected != got => Err(WalError::NotContiguous { expected, got }),
        _ => Ok(()),
    }
}
