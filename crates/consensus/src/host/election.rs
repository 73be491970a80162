//! Elections: at once for the groups of a process that is gone, and again and again for every group without a leader.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use muster_machine::Machine;
use muster_runtime::{TaskKind, random};
use muster_wire::{JobId, MemberNumber};
use tokio::sync::Notify;

use super::Host;
use super::evidence::Gone;
use super::slot::Slot;
use super::standing::Standing;
use crate::raft::group::Group;

const FAST: TaskKind = TaskKind::new("election_fast");
const SLOW: TaskKind = TaskKind::vital("election_slow");
/// Groups that are campaigned for at the same time.
const AT_ONCE: usize = 64;
/// Sleeping groups that are woken together for an election, and the pause after them.
const SLEEPERS_AT_ONCE: usize = 50;
const SLEEPERS_PAUSE: Duration = Duration::from_millis(100);
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
/// The fast loop's first pause is this part of a heartbeat: some round trips, since a new campaign ends the one before.
const PAUSE_PER_HEARTBEAT: u64 = 30;

/// Jobs for whose leader somebody began to wait. Of thousands of groups without one, only these are looked at again
/// before the next look at all.
#[derive(Default)]
pub(crate) struct Wanted {
    jobs: Mutex<BTreeSet<JobId>>,
    more: Notify,
}

impl Wanted {
    fn jobs(&self) -> MutexGuard<'_, BTreeSet<JobId>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, job: JobId) {
        self.jobs().insert(job);
        self.more.notify_one();
    }

    async fn take(&self) -> BTreeSet<JobId> {
        self.more.notified().await;
        std::mem::take(&mut *self.jobs())
    }
}

pub(crate) fn start<M: Machine>(host: &Arc<Host<M>>) {
    let host = host.clone();
    let scope = host.scope().clone();
    scope.spawn_until_stop(SLOW, async move { host.elect_slowly().await });
}

impl<M: Machine> Host<M> {
    /// Drops what is believed about every process of the member up to this generation, and elects anew where one of
    /// them led; how many groups that are.
    pub(crate) fn on_processes_gone(self: &Arc<Self>, gone: Gone, why: &'static str) -> usize {
        let was_led = |standing: &Standing| standing.note_gone(gone.member, gone.generation);
        let mut led = self.all_slots();
        led.retain(|slot| was_led(&slot.standing));
        led.sort_by_cached_key(|slot| turn_of(slot, gone.member));
        let directory = was_led(&self.directory_standing);
        let groups = led.len() + usize::from(directory);
        if groups > 0 {
            tracing::info!(member = %gone.member, generation = %gone.generation, why, groups, "a leader's process is gone");
            self.elect_fast(led, directory, gone.member);
        }
        groups
    }

    fn elect_fast(self: &Arc<Self>, led: Vec<Arc<Slot<M>>>, directory: bool, dead: MemberNumber) {
        let (resting, led): (Vec<_>, Vec<_>) = led.into_iter().partition(|slot| slot.is_at_rest());
        self.elect_sleepers(resting, dead);
        let (host, jobs) = (self.clone(), self.clone());
        if directory {
            self.scope().spawn_until_stop(FAST, async move {
                release(host.directory.group(), (&host.directory_standing, dead)).await;
                host.elect_one(host.directory.group(), (&host.directory_standing, dead)).await;
            });
        }
        self.scope().spawn_until_stop(FAST, async move { jobs.elect_all(led, dead).await });
    }

    /// All promises are dropped before the first campaign: another survivor may be at any of these groups already, and
    /// a promise to the dead refuses it.
    async fn elect_all(&self, led: Vec<Arc<Slot<M>>>, dead: MemberNumber) {
        stream::iter(&led).for_each_concurrent(AT_ONCE, |slot| release_slot(slot, dead)).await;
        stream::iter(&led).for_each_concurrent(AT_ONCE, |slot| self.elect_slot(slot, dead)).await;
    }

    /// Groups asleep get a new leader at a bounded rate; those on disk only get one when they are used or due.
    fn elect_sleepers(self: &Arc<Self>, resting: Vec<Arc<Slot<M>>>, dead: MemberNumber) {
        let host = self.clone();
        let asleep = resting.into_iter().filter(|slot| slot.is_asleep()).collect::<Vec<_>>();
        self.scope().spawn_until_stop(FAST, async move {
            for some in asleep.chunks(SLEEPERS_AT_ONCE) {
                some.iter().for_each(|slot| host.use_now(slot));
                host.elect_all(some.to_vec(), dead).await;
                tokio::time::sleep(SLEEPERS_PAUSE).await;
            }
        });
    }

    async fn elect_slot(&self, slot: &Slot<M>, dead: MemberNumber) {
        if let Some(group) = slot.running() {
            self.elect_one(&group, (&slot.standing, dead)).await;
        }
    }

    /// Campaigns when it is this host's turn, if still needed.
    async fn elect_one<G: Machine>(&self, group: &Group<G>, (standing, dead): (&Standing, MemberNumber)) {
        if standing.gone() == Some(dead) {
            group.await_verdict(self.first_pause() * group.rank(dead) as u32, self.patience()).await;
            self.campaign_fast(group, (standing, dead)).await;
        }
    }

    /// A bounded, jittered loop until somebody else leads, or the accused by a later election.
    async fn campaign_fast<G: Machine>(&self, group: &Group<G>, (standing, dead): (&Standing, MemberNumber)) {
        for tried in 0..self.fast_tries() {
            if is_led_again(group, standing, dead) || group.campaign(Some(dead)).await.is_err() {
                return;
            }
            metrics::counter!("muster_group_elections_total").increment(1);
            group.await_verdict(self.fast_pause(tried), self.patience()).await;
        }
    }

    /// A node that must not lead leaves elections to the others.
    fn fast_tries(&self) -> u32 {
        if self.is_out_of_time() { 0 } else { FAST_TRIES }
    }

    fn first_pause(&self) -> Duration {
        Duration::from_millis((self.config.profile.timing().heartbeat_ms / PAUSE_PER_HEARTBEAT).max(1))
    }

    fn fast_pause(&self, tried: u32) -> Duration {
        let first = self.first_pause();
        first * (1 << tried.min(7)) + first.mul_f64(random::below(100) as f64 / 100.0)
    }

    /// How long an election may take on slow disks before another campaign ends it.
    fn patience(&self) -> Duration {
        let half_ms = self.config.profile.timing().heartbeat_ms / 2;
        Duration::from_millis(half_ms + random::below(half_ms))
    }

    /// A vote has ended a leadership: if it comes to nothing, this host tries soon, for its log may be the longest.
    pub(crate) fn on_leader_lost<G: Machine>(
        self: &Arc<Self>,
        group: &Arc<Group<G>>,
        standing: &Arc<Standing>,
    ) {
        let (host, group, standing) = (self.clone(), group.clone(), standing.clone());
        self.scope().spawn_until_stop(FAST, async move {
            group.await_verdict(Duration::ZERO, host.patience()).await;
            if group.leader().is_none() && !host.is_out_of_time() {
                try_once(&group, &standing).await;
            }
        });
    }

    /// Every group without a leader, for ever: those with waiting callers first, at a bounded rate.
    async fn elect_slowly(&self) {
        loop {
            let slots = tokio::select! {
                () = muster_runtime::rest(SLOW_EVERY) => self.look_at_all(),
                jobs = self.wanted.take() => jobs.into_iter().filter_map(|job| self.slot(job)).collect(),
            };
            if self.is_out_of_time() {
                continue;
            }
            self.try_if_due(self.directory.group(), &self.directory_standing).await;
            let due = self.leaderless(slots);
            stream::iter(due).for_each_concurrent(AT_ONCE, |slot| self.try_slot(slot)).await;
        }
    }

    fn look_at_all(&self) -> Vec<Arc<Slot<M>>> {
        let slots = self.awake_slots();
        self.offer_what_is_stuck(&slots);
        slots
    }

    /// Those of these slots whose groups have no leader and whose next try is due.
    fn leaderless(&self, mut slots: Vec<Arc<Slot<M>>>) -> Vec<Arc<Slot<M>>> {
        let now = self.now_ms();
        slots.retain(is_leaderless);
        slots.sort_by_key(|slot| Reverse(slot.standing.waiting()));
        slots.into_iter().filter(|slot| slot.standing.take_try(now, next_try(now))).take(SLOW_MOST).collect()
    }

    async fn try_slot(&self, slot: Arc<Slot<M>>) {
        if let Some(group) = slot.running() {
            try_once(&group, &slot.standing).await;
        }
    }

    async fn try_if_due<G: Machine>(&self, group: &Group<G>, standing: &Standing) {
        let now = self.now_ms();
        if !group.has_leader() && standing.take_try(now, next_try(now)) {
            try_once(group, standing).await;
        }
    }

    /// Somebody waits for a leader of this group.
    pub(crate) fn want_leader(&self, slot: &Slot<M>) {
        if slot.standing.waiting() <= 1 {
            slot.standing.try_from(0);
            self.wanted.add(slot.job());
        }
    }

    /// Not all hosts at the same moment: the first one wins.
    pub(crate) fn try_leaderless_soon(&self) {
        let now = self.now_ms();
        let leaderless = self.awake_slots().into_iter().filter(is_leaderless);
        leaderless.for_each(|slot| slot.standing.try_from(now + random::below(SOON_MS)));
        self.directory_standing.try_from(now + random::below(SOON_MS));
    }
}

async fn release_slot<M: Machine>(slot: &Slot<M>, dead: MemberNumber) {
    if let Some(group) = slot.running() {
        release(&group, (&slot.standing, dead)).await;
    }
}

/// Drops the promise to the dead, so that others may win. Another process may lead by now: nothing is forgotten of that
/// one.
async fn release<G: Machine>(group: &Group<G>, (standing, dead): (&Standing, MemberNumber)) {
    if standing.gone() != Some(dead) {
        return;
    }
    group.forget_contact();
    if let Err(error) = group.drop_promise(dead).await {
        tracing::debug!(group = %group.id, %error, "a promise cannot be dropped");
    }
}

/// Those that this host campaigns for before the other survivors come first: by the turn of the others, somebody leads
/// them. Among these, those with waiting callers.
fn turn_of<M: Machine>(slot: &Slot<M>, dead: MemberNumber) -> (bool, bool, Reverse<usize>) {
    let is_later = slot.running().is_some_and(|group| group.rank(dead) > 0);
    (slot.is_at_rest(), is_later, Reverse(slot.standing.waiting()))
}

async fn try_once<G: Machine>(group: &Group<G>, standing: &Standing) {
    metrics::counter!("muster_group_elections_total").increment(1);
    if let Err(error) = group.campaign(standing.gone()).await {
        tracing::debug!(group = %group.id, %error, "no campaign");
    }
}

pub(super) fn next_try(now_ms: u64) -> u64 {
    now_ms + RETRY_MS + random::below(RETRY_JITTER_MS)
}

/// By another member, or by another process or term of this one.
fn is_led_again<G: Machine>(group: &Group<G>, standing: &Standing, dead: MemberNumber) -> bool {
    standing.gone() != Some(dead) || group.leader().is_some_and(|leader| leader.member() != dead)
}

fn is_leaderless<M: Machine>(slot: &Arc<Slot<M>>) -> bool {
    slot.running().is_some_and(|group| !group.has_leader())
}
