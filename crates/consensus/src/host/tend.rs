//! The slow round over all groups: snapshots that are due, groups that failed, orphans on disk, gauges.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use muster_machine::Machine;
use muster_runtime::TaskKind;

use super::Host;
use super::slot::{Phase, Slot, WORDS};
use crate::raft::group::Group;
use crate::status::GroupCounts;

const TEND: TaskKind = TaskKind::vital("group_tend");
const EVERY: Duration = Duration::from_secs(1);
/// Rounds between two sweeps: leaders that are gone and were not noticed, and orphans.
const SWEEP_ROUNDS: u64 = 60;
/// Rounds between two looks at the figures of all groups, and at those that are damaged.
const GAUGE_ROUNDS: u64 = 5;
/// Rounds between two tries to open groups that failed.
const REOPEN_ROUNDS: u64 = 15;

pub(crate) fn start<M: Machine>(host: &Arc<Host<M>>) {
    let host = host.clone();
    let scope = host.scope().clone();
    scope.spawn_until_stop(TEND, async move { host.tend().await });
}

impl<M: Machine> Host<M> {
    async fn tend(self: Arc<Self>) {
        for round in 0_u64.. {
            muster_runtime::rest(EVERY).await;
            self.snapshot_due().await;
            self.snapshot_slow().await;
            self.tend_rarely(round).await;
        }
    }

    async fn tend_rarely(self: &Arc<Self>, round: u64) {
        if round.is_multiple_of(GAUGE_ROUNDS) {
            self.gauge();
            self.replace_damaged().await;
        }
        if round.is_multiple_of(SWEEP_ROUNDS) {
            self.sweep();
            self.destroy_orphans();
            self.erase_orphans().await;
        }
        if round % REOPEN_ROUNDS == REOPEN_ROUNDS - 1 {
            self.reopen_failed().await;
        }
    }

    async fn snapshot_due(&self) {
        self.snapshot_if_due(self.directory.group()).await;
        for group in self.awake_slots().into_iter().filter_map(|slot| slot.running()) {
            self.snapshot_if_due(&group).await;
        }
    }

    async fn snapshot_if_due<G: Machine>(&self, group: &Group<G>) {
        let due = group.entries_since_snapshot() >= self.config.snapshot_entries.max(1);
        if due && group.raft.trigger().snapshot().await.is_err() {
            tracing::debug!(group = %group.id, "no snapshot: the group has stopped");
        }
    }

    async fn reopen_failed(self: &Arc<Self>) {
        let failed = self.awake_slots().into_iter().filter(|slot| matches!(slot.phase(), Phase::Failed(_)));
        for slot in failed.collect::<Vec<Arc<Slot<M>>>>() {
            tracing::warn!(job = %slot.job(), group = %slot.group_id(), "opening a failed group again");
            self.unload(&slot).await;
            drop(self.ensure(slot.opening.clone()));
        }
    }

    fn gauge(&self) {
        for (word, count) in self.by_state() {
            metrics::gauge!("muster_groups", "state" => word).set(count as f64);
        }
        let free = self.in_flight.available_permits();
        let used = self.config.in_flight_per_node.saturating_sub(free);
        metrics::gauge!("muster_proposals_in_flight").set(used as f64);
        metrics::gauge!("muster_queue_depth", "queue" => "proposals").set(used as f64);
    }

    /// Groups by the words for their states. Those that are on disk only are not looked at: they are the many.
    fn by_state(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::from(WORDS.map(|word| (word, 0)));
        let held = self.awake_slots().into_iter().chain(self.rota.sleepers());
        let words: Vec<&str> = held.map(|slot| slot.word()).filter(|word| *word != "evicted").collect();
        words.iter().for_each(|word| *counts.entry(*word).or_default() += 1);
        counts.insert("evicted", self.slots.len().saturating_sub(words.len()));
        counts
    }

    /// How many groups there are.
    pub(crate) fn counts(&self) -> GroupCounts {
        let counts = self.by_state();
        let count = |word: &str| counts.get(word).copied().unwrap_or(0);
        let (awake, asleep, evicted) = (count("awake"), count("asleep"), count("evicted"));
        GroupCounts { total: self.slots.len(), awake, asleep, evicted, leading: self.led.borrow().len() }
    }
}
