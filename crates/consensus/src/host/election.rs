//! Elections: at once for the groups of a process that is gone, and again and again for every group without a leader.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use muster_machine::Machine;
use muster_runtime::{TaskKind, random};
use muster_wire::MemberNumber;

use super::Host;
use super::evidence::Gone;
use super::slot::Slot;
use crate::raft::group::Group;

const FAST: TaskKind = TaskKind::new("election_fast");
const SLOW: TaskKind = TaskKind::vital("election_slow");
const WAKE: TaskKind = TaskKind::new("replication_wake");
/// Groups that are campaigned for at the same time.
const AT_ONCE: usize = 64;
/// Tries of the fast loop; then the slow one takes over.
const FAST_TRIES: u32 = 10;
/// Between two looks at the groups without a leader.
const SLOW_EVERY: Duration = Duration::from_millis(200);
/// Groups that one look campaigns for.
const SLOW_MOST: usize = 64;
/// Between two tries for one group.
const RETRY_MS: u64 = 1000;
const RETRY_JITTER_MS: u64 = 500;
/// A group without a leader is tried within this once a member can be reached again.
const SOON_MS: u64 = 150;
/// The fast loop's first pause is this part of a heartbeat: a few round trips.
const PAUSE_PER_HEARTBEAT: u64 = 100;

pub(crate) fn start<M: Machine>(host: &Arc<Host<M>>) {
    let host = host.clone();
    let scope = host.scope().clone();
    scope.spawn_until_stop(SLOW, async move { host.elect_slowly().await });
}

impl<M: Machine> Host<M> {
    /// Drops what is believed about every process of the member up to this generation, and elects anew where one of
    /// them led; how many groups that are.
    pub(crate) fn on_processes_gone(self: &Arc<Self>, gone: Gone, why: &'static str) -> usize {
        let mut led: Vec<Arc<Slot<M>>> =
            self.all_slots().into_iter().filter(|slot| was_led_by(slot, &gone)).collect();
        led.sort_by_key(|slot| Reverse(slot.waiting()));
        let directory = self.is_directory_led_by(&gone);
        if led.is_empty() && !directory {
            return 0;
        }
        tracing::info!(member = %gone.member, generation = %gone.generation, why, groups = led.len(), "a leader's process is gone");
        let count = led.len() + usize::from(directory);
        self.elect_fast(led, gone.member);
        count
    }

    fn is_directory_led_by(&self, gone: &Gone) -> bool {
        let group = self.directory.group();
        let current = self.peers().node(gone.member).is_none_or(|node| node.generation <= gone.generation);
        current && !group.is_leader() && group.leader().is_some_and(|leader| leader.member() == gone.member)
    }

    fn elect_fast(self: &Arc<Self>, led: Vec<Arc<Slot<M>>>, dead: MemberNumber) {
        for slot in &led {
            slot.note_gone(Some(dead));
            slot.note_leader(None);
        }
        let directory = self.directory.group().clone();
        let host = self.clone();
        self.scope().spawn_until_stop(FAST, async move {
            host.elect_one(&directory, dead).await;
            stream::iter(led).for_each_concurrent(AT_ONCE, |slot| host.elect_slot(slot, dead)).await;
        });
    }

    async fn elect_slot(&self, slot: Arc<Slot<M>>, dead: MemberNumber) {
        if let Some(group) = slot.awake() {
            self.elect_one(&group, dead).await;
        }
    }

    /// A bounded, jittered loop until somebody else leads.
    async fn elect_one<G: Machine>(&self, group: &Group<G>, dead: MemberNumber) {
        if group.leader().is_some_and(|leader| leader.member() == dead) {
            group.forget_contact();
        }
        for tried in 0..FAST_TRIES {
            let is_led = group.leader().is_some_and(|leader| leader.member() != dead);
            if is_led || group.campaign(Some(dead)).await.is_err() {
                return;
            }
            metrics::counter!("muster_group_elections_total").increment(1);
            tokio::time::sleep(self.fast_pause(tried)).await;
        }
    }

    fn fast_pause(&self, tried: u32) -> Duration {
        let first = (self.config.profile.timing().heartbeat_ms / PAUSE_PER_HEARTBEAT).max(1);
        Duration::from_millis((first << tried.min(4)) + random::below(first))
    }

    /// Every group without a leader, for ever: those with waiting callers first, at a bounded rate.
    async fn elect_slowly(&self) {
        loop {
            let woken = tokio::time::timeout(SLOW_EVERY, self.wanted.notified()).await;
            tracing::trace!(woken = woken.is_ok(), "looking for groups without a leader");
            let due = self.leaderless();
            stream::iter(due).for_each_concurrent(AT_ONCE, |slot| self.try_slot(slot)).await;
        }
    }

    fn leaderless(&self) -> Vec<Arc<Slot<M>>> {
        let mut slots: Vec<Arc<Slot<M>>> = self.all_slots().into_iter().filter(is_leaderless).collect();
        slots.sort_by_key(|slot| Reverse(slot.waiting()));
        let now = self.now_ms();
        let next = || now + RETRY_MS + random::below(RETRY_JITTER_MS);
        slots.into_iter().filter(|slot| slot.take_try(now, next())).take(SLOW_MOST).collect()
    }

    async fn try_slot(&self, slot: Arc<Slot<M>>) {
        let Some(group) = slot.awake() else { return };
        metrics::counter!("muster_group_elections_total").increment(1);
        if let Err(error) = group.campaign(slot.gone()).await {
            tracing::debug!(job = %slot.job(), %error, "no campaign");
        }
    }

    /// Somebody waits for a leader of this group.
    pub(crate) fn want_leader(&self, slot: &Slot<M>) {
        if slot.waiting() <= 1 {
            slot.try_from(0);
            self.wanted.notify_one();
        }
    }

    /// A member can be reached again: its replicas are caught up, and groups without a leader may have a quorum now.
    pub(crate) fn wake_towards(self: &Arc<Self>, member: Option<MemberNumber>) {
        let host = self.clone();
        self.scope().spawn_until_stop(WAKE, async move {
            host.wake_directory().await;
            let led = host.led_slots();
            stream::iter(led).for_each_concurrent(AT_ONCE, |slot| host.wake_slot(slot, member)).await;
            host.try_leaderless_soon();
        });
    }

    /// Not all hosts at the same moment: the first one wins.
    fn try_leaderless_soon(&self) {
        let now = self.now_ms();
        let leaderless = self.all_slots().into_iter().filter(is_leaderless);
        leaderless.for_each(|slot| slot.try_from(now + random::below(SOON_MS)));
    }

    async fn wake_directory(&self) {
        let group = self.directory.group();
        if group.is_leader() && group.wake_replication().await.is_err() {
            tracing::warn!("the directory group cannot be served here");
        }
    }

    async fn wake_slot(&self, slot: Arc<Slot<M>>, member: Option<MemberNumber>) {
        let Some(group) = slot.awake() else { return };
        let concerned = group.others().any(|other| member.is_none_or(|member| member == other.member()));
        if concerned && group.wake_replication().await.is_err() {
            tracing::debug!(job = %slot.job(), "a group cannot be served here");
        }
    }
}

fn was_led_by<M: Machine>(slot: &Arc<Slot<M>>, gone: &Gone) -> bool {
    slot.led_by().is_some_and(|by| by.member == gone.member && by.generation <= gone.generation)
}

fn is_leaderless<M: Machine>(slot: &Arc<Slot<M>>) -> bool {
    slot.awake().is_some_and(|group| !group.has_leader())
}
