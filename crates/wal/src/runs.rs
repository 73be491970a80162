//! The ids of a group's entries, in as many values as leaders wrote them.

use std::collections::VecDeque;

use muster_allocator::lasting;

use crate::LogId;

/// Entries with consecutive indexes and equal term and origin.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
struct Run {
    term: u64,
    origin: u64,
    last: u64,
}

/// The ids of contiguous entries.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    first: u64,
    runs: VecDeque<Run>,
}

impl Runs {
    /// The index of the first entry, if there is any.
    pub(crate) fn first(&self) -> Option<u64> {
        (!self.runs.is_empty()).then_some(self.first)
    }

    pub(crate) fn last(&self) -> Option<LogId> {
        self.runs.back().map(Run::last_id)
    }

    /// Appends the entry that follows.
    pub(crate) fn push(&mut self, id: LogId) {
        if self.runs.is_empty() {
            self.first = id.index;
            // Most groups have had one leader: they do not pay for more.
            lasting(|| self.runs.reserve_exact(1));
        }
        match self.runs.back_mut() {
            Some(run) if (run.term, run.origin) == (id.term, id.origin) => run.last = id.index,
            _ => self.runs.push_back(Run { term: id.term, origin: id.origin, last: id.index }),
        }
    }

    pub(crate) fn get(&self, index: u64) -> Option<LogId> {
        let at = self.runs.partition_point(|run| run.last < index);
        let run = self.runs.get(at).filter(|_| index >= self.first)?;
        Some(LogId { term: run.term, origin: run.origin, index })
    }

    /// Removes everything at and above `from`.
    pub(crate) fn truncate(&mut self, from: u64) {
        let whole = self.runs.partition_point(|run| run.last < from);
        let starts_at =
            whole.checked_sub(1).map_or(self.first, |before| self.runs[before].last.saturating_add(1));
        self.runs.truncate(whole + usize::from(starts_at < from));
        if let Some(run) = self.runs.get_mut(whole) {
            run.last = from.saturating_sub(1);
        }
    }

    /// Removes everything up to and including `upto`.
    pub(crate) fn purge(&mut self, upto: u64) {
        let gone = self.runs.partition_point(|run| run.last <= upto);
        self.runs.drain(..gone);
        self.first = self.first.max(upto.saturating_add(1));
    }

    /// The last entry of each run.
    pub(crate) fn last_of_runs(&self) -> Vec<LogId> {
        self.runs.iter().map(Run::last_id).collect()
    }
}

impl Run {
    fn last_id(&self) -> LogId {
        LogId { term: self.term, origin: self.origin, index: self.last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(term: u64, index: u64) -> LogId {
        LogId { term, origin: term, index }
    }

    fn five() -> Runs {
        let mut runs = Runs::default();
        [id(1, 3), id(1, 4), id(2, 5), id(2, 6), id(3, 7)].into_iter().for_each(|id| runs.push(id));
        runs
    }

    #[test]
    fn runs_know_every_id_and_nothing_outside() {
        let runs = five();
        let found: Vec<_> = (0..10).filter_map(|index| runs.get(index)).collect();
        assert_eq!(found, [id(1, 3), id(1, 4), id(2, 5), id(2, 6), id(3, 7)]);
        assert_eq!((runs.first(), runs.last(), runs.last_of_runs().len()), (Some(3), Some(id(3, 7)), 3));
    }

    #[test]
    fn cutting_behind_any_index_leaves_what_is_before() {
        for from in 0..10 {
            let mut runs = five();
            runs.truncate(from);
            let kept: Vec<u64> = (0..10).filter(|index| runs.get(*index).is_some()).collect();
            assert_eq!(kept, (3..8).filter(|index| *index < from).collect::<Vec<_>>(), "from {from}");
            assert_eq!(runs.last().map(|last| last.index), kept.last().copied());
        }
    }

    #[test]
    fn purging_up_to_any_index_leaves_what_is_behind() {
        for upto in 0..10 {
            let mut runs = five();
            runs.purge(upto);
            let kept: Vec<u64> = (0..10).filter(|index| runs.get(*index).is_some()).collect();
            assert_eq!(kept, (3..8).filter(|index| *index > upto).collect::<Vec<_>>(), "up to {upto}");
            assert_eq!(runs.first(), kept.first().copied());
        }
    }
}
