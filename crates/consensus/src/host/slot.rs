//! One group's place in the table. Its owner is the task that loads, evicts or closes it; everybody else reads its phase.
//!
//! ```text
//!   evicted ⇄ loading ──▶ awake ⇄ asleep ──▶ evicting ──▶ evicted          closing, failed: from anywhere
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use muster_allocator::lasting;
use muster_machine::Machine;
use muster_wire::{GroupId, JobId, RaftId, Token};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::standing::Standing;
use crate::error::ProposeError;
use crate::raft::group::Group;
use crate::raft::opening::Opening;
use crate::status::GroupStatus;

/// What a slot holds.
pub(crate) enum Phase<M: Machine> {
    /// On disk only, until somebody needs it.
    Evicted,
    /// Being opened: callers wait.
    Loading,
    /// Running, with heartbeats while it is led here.
    Awake(Arc<Group<M>>),
    /// Running and idle: without heartbeats.
    Asleep(Arc<Group<M>>),
    /// Its instance is being stopped so that it is on disk only: callers wait.
    Evicting,
    /// Being stopped and, after a retirement, destroyed.
    Closing,
    /// It cannot be served here.
    Failed(String),
}

impl<M: Machine> Clone for Phase<M> {
    fn clone(&self) -> Self {
        match self {
            Self::Evicted => Self::Evicted,
            Self::Loading => Self::Loading,
            Self::Awake(group) => Self::Awake(group.clone()),
            Self::Asleep(group) => Self::Asleep(group.clone()),
            Self::Evicting => Self::Evicting,
            Self::Closing => Self::Closing,
            Self::Failed(why) => Self::Failed(why.clone()),
        }
    }
}

impl<M: Machine> Phase<M> {
    /// The word used in metrics and for people.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Evicted | Self::Evicting => "evicted",
            Self::Loading => "loading",
            Self::Awake(_) => "awake",
            Self::Asleep(_) => "asleep",
            Self::Closing => "closing",
            Self::Failed(_) => "failed",
        }
    }

    /// The group, if its instance runs.
    pub(crate) const fn running(&self) -> Option<&Arc<Group<M>>> {
        match self {
            Self::Awake(group) | Self::Asleep(group) => Some(group),
            Self::Evicted | Self::Loading | Self::Evicting | Self::Closing | Self::Failed(_) => None,
        }
    }

    /// Is it on its way to another phase, for which callers wait?
    const fn is_passing(&self) -> bool {
        matches!(self, Self::Loading | Self::Evicting)
    }
}

/// All words, for gauges.
pub(crate) const WORDS: [&str; 6] = ["loading", "awake", "asleep", "evicted", "closing", "failed"];

/// One group's place in the table.
pub(crate) struct Slot<M: Machine> {
    pub(crate) opening: Opening,
    pub(crate) standing: Arc<Standing>,
    /// What is owed next, ms since 1970; 0 for nothing. Kept while the group sleeps or is on disk only.
    pub(crate) due_ms: AtomicU64,
    /// Host time at which it fell asleep, ms; 0 while it is not a sleeper in memory.
    pub(crate) slept_ms: AtomicU64,
    /// With a `watch` channel in their place a slot takes half as much memory again, and most slots are at rest.
    phase: RwLock<Phase<M>>,
    changed: Notify,
    /// Host time of the last use, ms.
    active_ms: AtomicU64,
    /// As it was when it was evicted.
    left: Mutex<Option<Box<GroupStatus>>>,
}

impl<M: Machine> Slot<M> {
    /// A slot whose group is on disk only, or not yet anywhere.
    pub(crate) fn evicted(opening: Opening, standing: Arc<Standing>) -> Self {
        Self {
            opening,
            standing,
            due_ms: AtomicU64::new(0),
            slept_ms: AtomicU64::new(0),
            phase: RwLock::new(Phase::Evicted),
            changed: Notify::new(),
            active_ms: AtomicU64::new(0),
            left: Mutex::new(None),
        }
    }

    pub(crate) fn job(&self) -> JobId {
        self.opening.job
    }

    pub(crate) fn group_id(&self) -> GroupId {
        self.opening.group
    }

    pub(crate) fn replica(&self) -> RaftId {
        self.opening.me
    }

    fn now(&self) -> RwLockReadGuard<'_, Phase<M>> {
        self.phase.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who wait if `change` says that it has changed the phase.
    fn change(&self, change: impl FnOnce(&mut Phase<M>) -> bool) -> bool {
        let has_changed = change(&mut self.phase.write().unwrap_or_else(PoisonError::into_inner));
        if has_changed {
            self.changed.notify_waiters();
        }
        has_changed
    }

    pub(crate) fn phase(&self) -> Phase<M> {
        self.now().clone()
    }

    /// The group, if its instance runs.
    pub(crate) fn running(&self) -> Option<Arc<Group<M>>> {
        self.now().running().cloned()
    }

    /// Its phase, in a word.
    pub(crate) fn word(&self) -> &'static str {
        self.now().word()
    }

    pub(crate) fn is_asleep(&self) -> bool {
        matches!(*self.now(), Phase::Asleep(_))
    }

    /// Its place among the sleepers is not its place any more.
    pub(crate) fn is_at_rest(&self) -> bool {
        matches!(*self.now(), Phase::Asleep(_) | Phase::Evicted | Phase::Evicting)
    }

    /// The phase once it is not on its way to another one; `Busy` at the deadline.
    pub(crate) async fn settled(&self, deadline: Instant) -> Result<Phase<M>, ProposeError> {
        timeout_at(deadline, self.once_settled()).await.map_err(|_| ProposeError::busy())
    }

    async fn once_settled(&self) -> Phase<M> {
        loop {
            let changed = self.changed.notified();
            let phase = self.phase();
            if !phase.is_passing() {
                return phase;
            }
            changed.await;
        }
    }

    /// Takes the slot for loading; false if it is not on disk only.
    pub(crate) fn begin_loading(&self) -> bool {
        self.step(Phase::Loading, |now| matches!(now, Phase::Evicted))
    }

    /// The end of loading; false when the slot was closed meanwhile, and the group is not wanted.
    pub(crate) fn settle(&self, phase: Phase<M>) -> bool {
        self.step(phase, |now| matches!(now, Phase::Loading))
    }

    /// Notes a use; true if that has woken the group.
    pub(crate) fn touch(&self, now_ms: u64) -> bool {
        self.active_ms.store(now_ms, Ordering::Relaxed);
        self.is_asleep() && self.wake()
    }

    fn wake(&self) -> bool {
        self.change(|now| match now {
            Phase::Asleep(group) => {
                let group = group.clone();
                replaced(now, Phase::Awake(group))
            }
            _ => false,
        })
    }

    /// True if it was awake and not used since `before_ms`, and sleeps now.
    pub(crate) fn fall_asleep(&self, before_ms: u64) -> bool {
        self.change(|now| match now {
            Phase::Awake(group) if self.active_ms() <= before_ms => {
                let group = group.clone();
                replaced(now, Phase::Asleep(group))
            }
            _ => false,
        })
    }

    /// Takes a sleeping slot for eviction: its group is to be stopped.
    pub(crate) fn begin_evicting(&self) -> Option<Arc<Group<M>>> {
        let group = self.running().filter(|_| self.is_asleep())?;
        let left = GroupStatus { state: "evicted", role: "follower", replicas: Vec::new(), ..group.status() };
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(lasting(|| Box::new(left)));
        self.step(Phase::Evicting, |now| matches!(now, Phase::Asleep(_))).then_some(group)
    }

    /// The end of an eviction.
    pub(crate) fn end_evicting(&self) {
        self.step(Phase::Evicted, |now| matches!(now, Phase::Evicting));
    }

    /// The group has stopped by itself.
    pub(crate) fn fail(&self, why: String) -> bool {
        self.step(Phase::Failed(why), |now| now.running().is_some())
    }

    fn step(&self, to: Phase<M>, may: impl FnOnce(&Phase<M>) -> bool) -> bool {
        self.change(|now| may(now) && replaced(now, to))
    }

    /// Host time of the last use, ms.
    pub(crate) fn active_ms(&self) -> u64 {
        self.active_ms.load(Ordering::Relaxed)
    }

    /// Takes the slot for closing: what it held, or `None` if somebody else is closing it.
    pub(crate) fn begin_closing(&self) -> Option<Phase<M>> {
        let mut held = Phase::Closing;
        self.change(|now| {
            std::mem::swap(now, &mut held);
            true
        });
        match held {
            Phase::Closing => None,
            other => Some(other),
        }
    }

    /// As shown to people.
    pub(crate) fn status(&self) -> GroupStatus {
        match self.running() {
            Some(group) => GroupStatus { state: self.word(), ..group.status() },
            None => self.left_status().unwrap_or_else(|| self.bare_status()),
        }
    }

    fn left_status(&self) -> Option<GroupStatus> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).as_deref().cloned()?;
        Some(GroupStatus { state: self.word(), ..left })
    }

    fn bare_status(&self) -> GroupStatus {
        GroupStatus {
            job: Some(self.job()),
            group: self.group_id(),
            set_index: self.opening.set_index,
            state: self.phase().word(),
            role: "follower",
            leader: None,
            term: 0,
            token: Token(0),
            last_log: None,
            committed: None,
            applied: None,
            snapshot: None,
            purged: None,
            replicas: Vec::new(),
        }
    }
}

fn replaced<M: Machine>(now: &mut Phase<M>, phase: Phase<M>) -> bool {
    *now = phase;
    true
}
