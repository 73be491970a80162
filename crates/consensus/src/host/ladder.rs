//! The ladder: groups that nobody uses fall asleep, then leave memory; use, evidence and due times bring them back.
//!
//! ```text
//!   awake ── idle, caught up, nothing due soon ──▶ asleep ── long enough, or too many in memory ──▶ evicted
//!     ▲                                              │ use, a vote, entries, a due time                 │
//!     └──────────────────────────────────────────────┴──────────────────────────────────────────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use muster_machine::Machine;
use muster_runtime::{TaskKind, random};
use muster_wal::{Eviction, LogId};
use muster_wire::JobId;

use super::Host;
use super::slot::Slot;
use super::table::{BORN_WITHIN, wal_key};
use crate::error::ProposeError;
use crate::raft::birth::Seeded;
use crate::raft::group::Group;

const LADDER: TaskKind = TaskKind::vital("group_ladder");
const EVICT: TaskKind = TaskKind::new("group_evict");
const EVERY: Duration = Duration::from_secs(1);
/// Rounds after an eviction in which memory is given back, thoroughly in the last of them.
const TIDY_ROUNDS: u32 = 30;
const THOROUGH_ROUNDS: u32 = 15;
/// When more groups are awake than may be, one that was idle for this long falls asleep, ms.
const CROWDED_IDLE_MS: u64 = 1000;
/// Groups that one round evicts, and how many at the same time.
const EVICT_MOST: usize = 256;
const EVICT_AT_ONCE: usize = 64;
/// The others of a round do not wait longer for one that does not stop.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Due groups that one round wakes.
const WAKE_MOST: usize = 256;
/// The replica of rank r wakes a due group r times so much later, ms.
const RANK_MS: u64 = 2000;
/// Hosts that open a group for some work campaign within this, ms.
const WORK_JITTER_MS: u64 = 300;
/// A follower that heard nothing for so many heartbeats has a sleeping leader: twice what one may leave out.
const QUIET_HEARTBEATS: u32 = 6;

/// Sleepers by the host time at which they fell asleep.
type Sleepers<M> = BTreeMap<(u64, JobId), Arc<Slot<M>>>;

/// Who rests, in the order in which they fell asleep, and what is due when.
pub(crate) struct Rota<M: Machine> {
    asleep: Mutex<Sleepers<M>>,
    due: Mutex<BTreeSet<(u64, JobId)>>,
}

impl<M: Machine> Default for Rota<M> {
    fn default() -> Self {
        Self { asleep: Mutex::default(), due: Mutex::default() }
    }
}

impl<M: Machine> Rota<M> {
    fn asleep(&self) -> MutexGuard<'_, Sleepers<M>> {
        self.asleep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All sleepers of this moment.
    pub(super) fn sleepers(&self) -> Vec<Arc<Slot<M>>> {
        self.asleep().values().cloned().collect()
    }

    /// The sleeper of longest, if it may be taken.
    fn take_first(&self, may: impl FnOnce(u64) -> bool) -> Option<Arc<Slot<M>>> {
        let mut asleep = self.asleep();
        let first = asleep.first_entry().filter(|entry| may(entry.key().0))?;
        Some(first.remove())
    }

    fn take_due(&self, now_ms: u64) -> Option<JobId> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let first = due.first().copied().filter(|(at_ms, _)| *at_ms <= now_ms)?;
        due.remove(&first);
        Some(first.1)
    }

    fn change_due(&self, job: JobId, (from_ms, to_ms): (u64, u64)) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.remove(&(from_ms, job));
        if to_ms != 0 {
            due.insert((to_ms, job));
        }
    }
}

pub(crate) fn start<M: Machine>(host: &Arc<Host<M>>) {
    let host = host.clone();
    let scope = host.scope().clone();
    scope.spawn_until_stop(LADDER, async move { host.climb().await });
}

/// A group that was evicted had its memory from all threads. Rounds run on one of them now and on another then.
fn tidy(rounds_left: u32) {
    if rounds_left > 0 {
        muster_allocator::collect(rounds_left <= THOROUGH_ROUNDS);
    }
}

impl<M: Machine> Host<M> {
    async fn climb(self: &Arc<Self>) {
        let (mut has_noted, mut untidy) = (false, TIDY_ROUNDS);
        loop {
            muster_runtime::rest(EVERY).await;
            let fell_asleep = self.put_to_sleep() > 0;
            if !fell_asleep && has_noted {
                self.write_notes();
            }
            has_noted = fell_asleep;
            untidy = if self.evict_some().await > 0 { TIDY_ROUNDS } else { untidy.saturating_sub(1) };
            tidy(untidy);
            self.wake_due();
        }
    }

    /// The notes of those that fell asleep wait for whatever is written next: on a node that has become quiet, for this.
    fn write_notes(&self) {
        if let Err(error) = self.ground.wal.barrier(Box::new(drop)) {
            tracing::debug!(%error, "notes of groups at rest wait on");
        }
    }

    /// Slots of groups that are not at rest.
    pub(crate) fn awake_slots(&self) -> Vec<Arc<Slot<M>>> {
        self.awake.iter().map(|entry| entry.value().clone()).collect()
    }

    /// A use: a sleeping group is awake from now on.
    pub(crate) fn use_now(&self, slot: &Arc<Slot<M>>) {
        if slot.touch(self.now_ms()) {
            self.note_awake(slot);
            self.trust_leader(slot);
        }
    }

    /// Silence while it slept says nothing about its leader.
    fn trust_leader(&self, slot: &Slot<M>) {
        if let Some(group) = slot.running().filter(|_| slot.standing.gone().is_none()) {
            group.trust(group.lease * 2);
        }
    }

    /// The slot is looked at from now on.
    pub(crate) fn note_awake(&self, slot: &Arc<Slot<M>>) {
        self.awake.insert(slot.job(), slot.clone());
        self.note_due(slot, 0);
        let slept = slot.slept_ms.swap(0, Ordering::Relaxed);
        if slept != 0 {
            self.rota.asleep().remove(&(slept, slot.job()));
        }
    }

    /// When this replica is to wake by itself, ms since 1970; 0 for never.
    pub(crate) fn note_due(&self, slot: &Slot<M>, due_ms: u64) {
        let before = slot.due_ms.swap(due_ms, Ordering::Relaxed);
        if before != due_ms {
            self.rota.change_due(slot.job(), (before, due_ms));
        }
    }

    /// Before anything is written: may a caller wake one more?
    pub(crate) fn admit(&self, slot: &Slot<M>) -> Result<(), ProposeError> {
        match slot.is_at_rest() && self.awake.len() >= self.config.awake_max {
            true => Err(ProposeError::busy()),
            false => Ok(()),
        }
    }

    /// How many fell asleep.
    fn put_to_sleep(&self) -> usize {
        let idle_ms = match self.awake.len() > self.config.awake_max {
            true => CROWDED_IDLE_MS,
            false => as_ms(self.config.sleep_after),
        };
        let before_ms = self.now_ms().saturating_sub(idle_ms);
        let idle = self.awake_slots().into_iter().filter(|slot| slot.active_ms() <= before_ms);
        idle.filter(|slot| self.may_sleep(slot) && self.put_one_to_sleep(slot, before_ms)).count()
    }

    /// False for one that is in use again, or was closed.
    fn put_one_to_sleep(&self, slot: &Arc<Slot<M>>, before_ms: u64) -> bool {
        let Some(group) = slot.running() else { return false };
        let due_ms = group.views.borrow().state.next_due_ms();
        let last = group.last_id();
        if !slot.fall_asleep(before_ms) {
            return false;
        }
        self.awake.remove_if(&slot.job(), |_, there| there.is_at_rest());
        let due_ms = due_ms.map(|due_ms| due_ms + RANK_MS * due_rank(&group));
        self.note_due(slot, due_ms.unwrap_or(0));
        let now_ms = self.now_ms().max(1);
        slot.slept_ms.store(now_ms, Ordering::Relaxed);
        self.rota.asleep().insert((now_ms, slot.job()), slot.clone());
        self.note_rest(slot, (last, Eviction { due_ms }));
        self.recheck(slot);
        true
    }

    /// For the next start: a group whose log still ends there need not be loaded before it is used or due.
    fn note_rest(&self, slot: &Slot<M>, (last, rest): (Option<LogId>, Eviction)) {
        let Some(last) = last else { return };
        if let Err(error) = self.ground.wal.note_eviction(wal_key(&slot.opening), last, rest) {
            tracing::debug!(job = %slot.job(), %error, "that a group rests was not noted");
        }
    }

    /// A use in the middle of falling asleep.
    fn recheck(&self, slot: &Arc<Slot<M>>) {
        if !slot.is_at_rest() {
            self.note_awake(slot);
        }
    }

    fn may_sleep(&self, slot: &Arc<Slot<M>>) -> bool {
        let Some(group) = slot.running() else { return false };
        let is_wanted = slot.standing.waiting() > 0 || self.is_due_soon(&group);
        !is_wanted && self.is_settled(slot, &group)
    }

    fn is_due_soon(&self, group: &Group<M>) -> bool {
        let soon_ms = self.clock().unix_ms() + as_ms(self.config.sleep_after);
        group.views.borrow().state.next_due_ms().is_some_and(|due_ms| due_ms <= soon_ms)
    }

    fn is_settled(&self, slot: &Arc<Slot<M>>, group: &Group<M>) -> bool {
        match group.is_leader() {
            true => self.is_settled_leader(slot, group),
            false => self.is_settled_follower(slot, group),
        }
    }

    /// Everybody who lives has everything, and nothing is owed. Members known dead do not keep it awake.
    fn is_settled_leader(&self, slot: &Arc<Slot<M>>, group: &Group<M>) -> bool {
        let owes = self.owes_directory(slot);
        !owes && group.is_uniform() && group.is_caught_up(|member| self.peers().is_live(member))
    }

    fn is_settled_follower(&self, slot: &Slot<M>, group: &Group<M>) -> bool {
        let quiet = self.config.profile.timing().heartbeat() * QUIET_HEARTBEATS;
        let is_led = group.leader().is_some() && slot.standing.gone().is_none();
        is_led && group.silence() >= quiet
    }

    /// A tombstone to report, news for the lists, a replacement to carry out.
    fn owes_directory(&self, slot: &Arc<Slot<M>>) -> bool {
        let view = self.directory.view();
        let Some(row) = view.state.job(slot.job()) else { return false };
        let has_news = self.summarizer().is_some_and(|by| super::summaries::has_news(&view.state, slot, &by));
        row.plan.is_some() || has_news || super::retire::tombstone(slot).is_some()
    }

    /// How many were.
    async fn evict_some(&self) -> usize {
        let next = std::iter::from_fn(|| self.next_to_evict());
        let leaving: Vec<Arc<Slot<M>>> = next.take(EVICT_MOST).collect();
        let count = leaving.len();
        if count > 0 {
            stream::iter(leaving).for_each_concurrent(EVICT_AT_ONCE, |slot| self.evict(slot)).await;
        }
        count
    }

    fn next_to_evict(&self) -> Option<Arc<Slot<M>>> {
        let resident = self.awake.len() + self.rota.asleep().len();
        let least_ms = self.config.profile.timing().election_max_ms;
        let rest_ms = match resident > self.config.resident_max {
            true => least_ms,
            false => as_ms(self.config.evict_after).max(least_ms),
        };
        let before_ms = self.now_ms().saturating_sub(rest_ms);
        self.rota.take_first(|slept_ms| slept_ms <= before_ms)
    }

    /// Its promises are older than any lease, so a reloaded replica may forget them. One that does not stop in time, on a
    /// disk that stands still, is not opened again before it has: its log can be open only once.
    async fn evict(&self, slot: Arc<Slot<M>>) {
        let Some(group) = slot.begin_evicting() else { return };
        slot.slept_ms.store(0, Ordering::Relaxed);
        self.set_led(slot.job(), None);
        let (leaving, closing) = (slot.clone(), group.clone());
        self.scope().spawn_until_stop(EVICT, async move {
            closing.close().await;
            leaving.end_evicting();
        });
        if slot.settled(self.clock().now() + CLOSE_WITHIN).await.is_err() {
            let (metrics, fault) = (group.metrics(), group.fault());
            tracing::warn!(job = %slot.job(), group = %group.id, ?fault, state = ?metrics.state, "a group does not stop: it leaves memory late");
        }
    }

    fn wake_due(self: &Arc<Self>) {
        let now_ms = self.clock().unix_ms();
        for _ in 0..WAKE_MOST {
            let Some(job) = self.rota.take_due(now_ms) else { return };
            if let Some(slot) = self.slot(job) {
                self.wake_by_itself(&slot);
            }
        }
    }

    /// Nobody who is to wake it before this one did: whoever led it is not trusted to.
    pub(crate) fn wake_by_itself(self: &Arc<Self>, slot: &Arc<Slot<M>>) {
        let woken = slot.touch(self.now_ms());
        slot.standing.try_from(0);
        match woken {
            true => self.note_awake(slot),
            false => self.open(slot),
        }
    }

    /// There is something to do for whoever leads it. Not all hosts campaign at the same moment.
    pub(crate) fn wake_for_work(self: &Arc<Self>, slot: &Arc<Slot<M>>) {
        slot.standing.try_from(self.now_ms() + random::below(WORK_JITTER_MS));
        self.use_now(slot);
        self.open(slot);
    }

    /// How long a freshly opened replica believes in the leader that its log names: one that is reached answers at once,
    /// but at a birth it has to write first.
    pub(crate) fn trusted_after_load(&self, group: &Group<M>) -> Duration {
        let leader = group.leader_on_record().filter(|leader| self.peers().is_live(leader.member()));
        let patience = match group.seeded {
            Seeded::Leader | Seeded::Follower => BORN_WITHIN,
            Seeded::Before => self.config.profile.timing().heartbeat(),
        };
        leader.map_or(Duration::ZERO, |_| patience)
    }
}

/// The leader's host first, the others one after the other.
fn due_rank<M: Machine>(group: &Group<M>) -> u64 {
    match group.leader().filter(|leader| *leader != group.me) {
        Some(leader) => 1 + group.rank(leader.member()),
        None => 0,
    }
}

fn as_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
