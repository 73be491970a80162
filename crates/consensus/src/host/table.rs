//! The table of groups: opening, watching, closing and destroying them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dashmap::Entry;
use muster_allocator::lasting;
use muster_machine::Machine;
use muster_runtime::{TaskKind, random};
use muster_wal::GroupKey;
use muster_wire::{JobId, RaftId};
use openraft::async_runtime::WatchReceiver as _;
use tokio::time::Instant;

use super::Host;
use super::slot::{Phase, Slot};
use super::standing::{LedBy, Standing};
use crate::error::ProposeError;
use crate::raft::group::Group;
use crate::raft::opening::Opening;
use crate::raft::store::durably;

const LOAD: TaskKind = TaskKind::new("group_load");
const WATCH: TaskKind = TaskKind::new("group_watch");
const DESTROY: TaskKind = TaskKind::new("group_destroy");
/// A reloaded group is tried first after at most this: the first node to try wins.
const FIRST_TRY_MS: u64 = 300;
/// The replica of rank r seeds and campaigns for a leader that never appeared after so long times r + 1.
pub(super) const BORN_WITHIN: Duration = Duration::from_secs(1);
/// How long a removal may take to become durable; it is repeated at the next start otherwise.
const REMOVE_WITHIN: Duration = Duration::from_secs(30);

impl<M: Machine> Host<M> {
    /// Milliseconds since the host's epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        let since = self.clock().now().saturating_duration_since(self.ground.epoch);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// The slot of a group, opening it if it is not there. `NotServing` while another group of the job is in its place, and
    /// for a replica that is gone.
    pub(crate) fn ensure(self: &Arc<Self>, opening: Opening) -> Result<Arc<Slot<M>>, ProposeError> {
        let slot = self.ensure_slot(opening)?;
        self.open(&slot);
        Ok(slot)
    }

    /// The slot of a group that was here before; its group stays on disk until it is used, if it was at rest, or is
    /// opened in its turn.
    pub(crate) fn ensure_cold(self: &Arc<Self>, opening: Opening) -> Result<Arc<Slot<M>>, ProposeError> {
        let rest = self.ground.wal.summary(wal_key(&opening)).and_then(|summary| summary.eviction);
        let slot = self.ensure_slot(opening)?;
        match rest {
            Some(rest) => self.note_due(&slot, rest.due_ms.unwrap_or(0)),
            None => self.cold.push(slot.clone()),
        }
        Ok(slot)
    }

    pub(super) fn ensure_slot(self: &Arc<Self>, opening: Opening) -> Result<Arc<Slot<M>>, ProposeError> {
        match self.slots.entry(opening.job) {
            Entry::Occupied(there) => same_group(there.get(), &opening),
            Entry::Vacant(_) if self.is_gone(&opening) => Err(ProposeError::NotServing),
            Entry::Vacant(place) => {
                let try_ms = self.first_try_ms(&opening);
                let slot =
                    lasting(|| Arc::new(Slot::evicted(opening.clone(), Standing::trying_from(try_ms))));
                place.insert(slot.clone());
                Ok(slot)
            }
        }
    }

    /// Opens a group that is on disk only, in a task of its own.
    pub(crate) fn open(self: &Arc<Self>, slot: &Arc<Slot<M>>) {
        if !slot.begin_loading() {
            return;
        }
        self.note_awake(slot);
        let (host, slot) = (self.clone(), slot.clone());
        self.scope().spawn_until_stop(LOAD, async move { host.load(slot).await });
    }

    /// The group of a slot, opened if it is on disk only; a sleeping one is woken.
    pub(crate) async fn resident(
        self: &Arc<Self>,
        slot: &Arc<Slot<M>>,
        deadline: Instant,
    ) -> Result<Arc<Group<M>>, ProposeError> {
        self.use_now(slot);
        self.resident_as_is(slot, deadline).await
    }

    /// Like [`Host::resident`], but a sleeping group sleeps on.
    pub(crate) async fn resident_as_is(
        self: &Arc<Self>,
        slot: &Arc<Slot<M>>,
        deadline: Instant,
    ) -> Result<Arc<Group<M>>, ProposeError> {
        loop {
            if let Some(group) = slot.running() {
                return Ok(group);
            }
            self.open(slot);
            match slot.settled(deadline).await? {
                Phase::Closing | Phase::Failed(_) => return Err(ProposeError::NotServing),
                _ => tokio::task::yield_now().await,
            }
        }
    }

    fn first_try_ms(&self, opening: &Opening) -> u64 {
        let key = wal_key(opening);
        let rank = opening
            .birth
            .as_ref()
            .and_then(|birth| birth.replicas.iter().position(|member| *member == opening.me.member()));
        let wait = match (self.ground.wal.is_known(key), rank) {
            (false, Some(rank)) => BORN_WITHIN.as_millis() as u64 * (rank as u64 + 1),
            _ => random::below(FIRST_TRY_MS),
        };
        self.now_ms() + wait
    }

    async fn load(self: Arc<Self>, slot: Arc<Slot<M>>) {
        let Ok(_permit) = self.loads.acquire().await else { return };
        let first = self.first_entry(&slot.opening);
        match Group::open(&self.ground, slot.opening.clone(), first).await {
            Ok(group) => self.settle(&slot, Arc::new(group)).await,
            Err(error) => {
                tracing::error!(job = %slot.job(), group = %slot.group_id(), %error, "a group cannot be opened");
                slot.settle(Phase::Failed(error.to_string()));
            }
        }
    }

    /// What the group begins with, as long as the directory keeps it.
    fn first_entry(&self, opening: &Opening) -> Option<Bytes> {
        let view = self.directory.view();
        view.state.job(opening.job).filter(|row| row.group == opening.group)?.opening.clone()
    }

    async fn settle(self: &Arc<Self>, slot: &Arc<Slot<M>>, group: Arc<Group<M>>) {
        group.trust(self.trusted_after_load(&group));
        slot.touch(self.now_ms());
        if !slot.settle(Phase::Awake(group.clone())) {
            group.close().await;
            return;
        }
        let (host, slot) = (self.clone(), slot.clone());
        self.scope().spawn_until_stop(WATCH, async move { host.watch_group(&slot, &group).await });
    }

    /// Follows who leads until the instance ends.
    async fn watch_group(self: &Arc<Self>, slot: &Arc<Slot<M>>, group: &Arc<Group<M>>) {
        self.watch_leader(group, &slot.standing, || self.set_led(slot.job(), group.led_term())).await;
        self.note_end(slot, group);
    }

    /// Follows who leads the directory until its instance ends; without it this node is of no use.
    pub(crate) async fn watch_directory(self: &Arc<Self>) {
        self.watch_leader(self.directory.group(), &self.directory_standing, || {}).await;
        if !self.is_closing() {
            let why = self.directory.group().fault();
            tracing::error!(?why, "the directory group has stopped here: this node stops");
            self.scope().cancel();
        }
    }

    async fn watch_leader<G: Machine>(
        self: &Arc<Self>,
        group: &Arc<Group<G>>,
        standing: &Arc<Standing>,
        changed: impl Fn(),
    ) {
        let mut metrics = group.raft.server_metrics();
        let mut before = None;
        loop {
            drop(metrics.borrow_and_update());
            if group.is_stopped() {
                return;
            }
            before = self.note_leader(group, standing, before);
            changed();
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    fn note_leader<G: Machine>(
        self: &Arc<Self>,
        group: &Arc<Group<G>>,
        standing: &Arc<Standing>,
        before: Option<RaftId>,
    ) -> Option<RaftId> {
        let leader = group.leader();
        tracing::debug!(group = %group.id, me = %group.me, ?leader, "who leads");
        standing.note_leader(leader.map(|leader| self.led_by(leader, group.term())));
        if before.is_some() && leader.is_none() {
            self.on_leader_lost(group, standing);
        }
        leader
    }

    fn led_by(&self, leader: RaftId, term: u64) -> LedBy {
        let generation = self.peers().node(leader.member()).map(|node| node.generation).unwrap_or_default();
        LedBy { member: leader.member(), generation, term }
    }

    pub(crate) fn set_led(&self, job: JobId, term: Option<u64>) {
        self.led.send_if_modified(|led| {
            if led.get(&job).copied() == term {
                return false;
            }
            let map = Arc::make_mut(led);
            match term {
                Some(term) => map.insert(job, term),
                None => map.remove(&job),
            };
            true
        });
    }

    fn note_end(&self, slot: &Slot<M>, group: &Group<M>) {
        self.set_led(slot.job(), None);
        if slot.running().is_some() {
            slot.standing.note_leader(None);
        }
        let why = group.fault().unwrap_or_else(|| "its Raft instance has ended".into());
        if slot.fail(why.clone()) && !self.is_closing() {
            tracing::error!(job = %slot.job(), group = %slot.group_id(), why, "a group has stopped here");
        }
    }

    /// Destroys this node's copy of a group, in a task of its own.
    pub(crate) fn destroy(self: &Arc<Self>, slot: Arc<Slot<M>>) {
        let host = self.clone();
        self.scope().spawn_until_stop(DESTROY, async move { host.destroy_now(&slot).await });
    }

    async fn destroy_now(&self, slot: &Arc<Slot<M>>) {
        drop(slot.settled(self.clock().now() + REMOVE_WITHIN).await);
        let Some(held) = slot.begin_closing() else { return };
        let Ok(_permit) = self.loads.acquire().await else { return };
        self.stop_held(slot, held).await;
        self.erase(wal_key(&slot.opening)).await;
        self.forget(slot);
    }

    /// Removes what is on disk of a replica.
    pub(crate) async fn erase(&self, key: GroupKey) {
        let removal = durably(|done| self.ground.wal.remove_group(key, done));
        let removed = tokio::time::timeout(REMOVE_WITHIN, removal).await;
        let snapshots = self.ground.snapshot_files(key).remove().await;
        if !matches!(removed, Ok(Ok(()))) || snapshots.is_err() {
            tracing::warn!(
                group = key.group,
                "a retired group is not yet gone from disk; tried again at the next start"
            );
        }
    }

    /// Stops a replica without destroying it, and forgets the slot so that it can be opened again.
    pub(crate) async fn unload(&self, slot: &Arc<Slot<M>>) {
        let Some(held) = slot.begin_closing() else { return };
        self.stop_held(slot, held).await;
        self.forget(slot);
    }

    async fn stop_held(&self, slot: &Arc<Slot<M>>, held: Phase<M>) {
        self.set_led(slot.job(), None);
        if let Some(group) = held.running() {
            group.close().await;
        }
    }

    fn forget(&self, slot: &Arc<Slot<M>>) {
        self.note_due(slot, 0);
        self.awake.remove_if(&slot.job(), |_, there| Arc::ptr_eq(there, slot));
        self.slots.remove_if(&slot.job(), |_, there| Arc::ptr_eq(there, slot));
    }
}

/// The log's name of a replica.
pub(crate) fn wal_key(opening: &Opening) -> GroupKey {
    GroupKey { group: opening.group.0, incarnation: opening.me.incarnation().0 }
}

fn same_group<M: Machine>(there: &Arc<Slot<M>>, opening: &Opening) -> Result<Arc<Slot<M>>, ProposeError> {
    match (there.group_id(), there.replica()) == (opening.group, opening.me) {
        true => Ok(there.clone()),
        false => Err(ProposeError::NotServing),
    }
}
