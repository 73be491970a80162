//! Who waits for cores, and whose turn it is when some are free: the best rank first, and what is claimed for it is not
//! given to a worse one meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_wire::rpc::worker::{Rank, Reserve};
use muster_wire::{JobId, NodeRef};

/// Jobs that wait here; beyond it the worst rank is left out, and asks again by itself.
const WAITERS_MAX: usize = 1_000;
/// A job that has not asked for so long waits no more.
const WAIT_FOR: Duration = Duration::from_secs(5);
/// For so long cores are kept for the job whose turn it is.
const CLAIM_FOR: Duration = Duration::from_millis(250);

#[derive(Clone, Debug)]
struct Waiter {
    cores: u32,
    manager: NodeRef,
    asked: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    rank: Rank,
    cores: u32,
    until: Duration,
}

/// All who wait, by rank, and those whose turn it is.
#[derive(Default)]
pub(super) struct Waiters {
    waiting: BTreeMap<Rank, Waiter>,
    turns: Vec<Turn>,
}

impl Waiters {
    /// This call found no room; its job is told when there is some.
    pub(super) fn note(&mut self, call: &Reserve, now: Duration) {
        let Some(manager) = call.manager.clone() else { return };
        self.waiting.insert(call.rank, Waiter { cores: call.cores, manager, asked: now });
        if self.waiting.len() > WAITERS_MAX {
            self.waiting.pop_last();
        }
    }

    /// Cores that are kept for better ranks than this one.
    pub(super) fn kept_from(&self, rank: Rank, now: Duration) -> u32 {
        let better = self.turns.iter().filter(|turn| now < turn.until && turn.rank < rank);
        better.map(|turn| turn.cores).sum()
    }

    /// The job has what it waited for, or a part of it.
    pub(super) fn took(&mut self, rank: Rank, cores: u32) {
        if let Some(turn) = self.turns.iter_mut().find(|turn| turn.rank == rank) {
            turn.cores = turn.cores.saturating_sub(cores);
        }
        self.turns.retain(|turn| turn.cores > 0);
    }

    /// So many cores are free: those whose turn it is, best first, as far as the cores reach. The first that does not
    /// fit ends the round, so that small ones do not starve it.
    pub(super) fn turn(&mut self, free: u32, now: Duration) -> Vec<(NodeRef, JobId)> {
        self.turns.retain(|turn| now < turn.until);
        self.waiting.retain(|_, waiter| now.saturating_sub(waiter.asked) < WAIT_FOR);
        let mut left = free.saturating_sub(self.turns.iter().map(|turn| turn.cores).sum());
        let mut told = Vec::new();
        while let Some((rank, waiter)) = self.next(left) {
            left -= waiter.cores;
            self.turns.push(Turn { rank, cores: waiter.cores, until: now + CLAIM_FOR });
            told.push((waiter.manager, rank.job));
        }
        told
    }

    fn next(&mut self, free: u32) -> Option<(Rank, Waiter)> {
        let first = self.waiting.first_entry().filter(|first| first.get().cores <= free)?;
        Some(first.remove_entry())
    }

    /// Does anybody wait?
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::calls_test::{key, manager, reserve, secs};
    use super::*;

    fn call(priority: u8, job: u128, cores: u32) -> Reserve {
        let rank = Rank { inverse_priority: 100 - priority, created_at_ms: 1, job: JobId(job) };
        Reserve { job: JobId(job), cores, rank, manager: Some(manager(job)), ..reserve(key(0, 1), 1) }
    }

    fn jobs(told: &[(NodeRef, JobId)]) -> Vec<u128> {
        told.iter().map(|(_, job)| job.0).collect()
    }

    #[test]
    fn the_best_rank_has_the_first_turn_and_its_cores_are_kept_for_it() {
        let mut waiters = Waiters::default();
        let (low, high) = (call(10, 1, 1), call(90, 2, 1));
        waiters.note(&low, secs(0));
        waiters.note(&high, secs(0));
        assert_eq!(jobs(&waiters.turn(1, secs(1))), [2]);
        assert_eq!((waiters.kept_from(low.rank, secs(1)), waiters.kept_from(high.rank, secs(1))), (1, 0));
        waiters.took(high.rank, 1);
        assert_eq!(waiters.kept_from(low.rank, secs(1)), 0);
        assert_eq!(jobs(&waiters.turn(1, secs(1))), [1]);
    }

    #[test]
    fn a_turn_that_is_not_used_ends_and_a_job_that_asks_no_more_has_none() {
        let mut waiters = Waiters::default();
        waiters.note(&call(50, 1, 1), secs(0));
        assert_eq!(jobs(&waiters.turn(1, secs(1))), [1]);
        assert_eq!(waiters.kept_from(call(10, 2, 1).rank, secs(2)), 0);
        waiters.note(&call(50, 3, 1), secs(2));
        assert!(waiters.turn(1, secs(10)).is_empty() && waiters.is_empty());
    }

    #[test]
    fn a_job_that_needs_many_cores_is_not_passed_by_smaller_ones_of_a_worse_rank() {
        let mut waiters = Waiters::default();
        waiters.note(&call(90, 1, 4), secs(0));
        waiters.note(&call(10, 2, 1), secs(0));
        assert!(waiters.turn(2, secs(1)).is_empty());
        assert_eq!(jobs(&waiters.turn(5, secs(1))), [1, 2]);
    }

    #[test]
    fn waiters_are_bounded() {
        let mut waiters = Waiters::default();
        (0..2_000).for_each(|job| waiters.note(&call(50, job, 1), secs(0)));
        assert_eq!(waiters.waiting.len(), WAITERS_MAX);
    }
}
