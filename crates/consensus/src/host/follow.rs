//! Follows the directory: its changes open and destroy this node's replicas, and tell who the members are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use muster_machine::Machine;
use muster_runtime::TaskKind;
use muster_wal::GroupKey;
use muster_wire::rpc::raft::BirthSet;
use muster_wire::{GroupId, Incarnation, JobId, NodeRef, RaftId};

use super::Host;
use super::slot::Slot;
use super::table::wal_key;
use crate::directory::{Directory, JobChange, JobRow, MemberRow};
use crate::raft::opening::Opening;
use crate::status::View;

const FOLLOW: TaskKind = TaskKind::vital("directory_follow");
const WATCH: TaskKind = TaskKind::vital("directory_watch");
/// How long the newest directory is waited for before a replica is removed; it is tried again later.
const ORPHAN_WITHIN: Duration = Duration::from_secs(5);

pub(crate) fn start<M: Machine>(host: &Arc<Host<M>>) {
    let (follow, watch) = (host.clone(), host.clone());
    host.scope().spawn_until_stop(FOLLOW, async move { follow.follow().await });
    host.scope().spawn_until_stop(WATCH, async move { watch.watch_directory().await });
}

impl<M: Machine> Host<M> {
    async fn follow(self: Arc<Self>) {
        let mut views = self.directory.watch();
        let mut before = Arc::<Directory>::default();
        let mut kept = BTreeSet::new();
        loop {
            let now = views.borrow_and_update().state.clone();
            if now.has_other_members(&before) {
                self.learn_members(&now, &mut kept);
            }
            now.job_changes_since(&before).for_each(|change| self.on_job_change(change));
            self.wake_cold();
            before = now;
            if views.changed().await.is_err() {
                return;
            }
        }
    }

    /// Links to all members are kept up; those to former addresses are let go.
    fn learn_members(&self, directory: &Directory, kept: &mut BTreeSet<String>) {
        let rows = directory.members().filter(|row| row.is_present());
        rows.for_each(|row| self.peers().learn(node_of(row)));
        let addresses = self.peers().others().into_iter().map(|node| node.addr);
        let wanted: BTreeSet<String> = addresses.filter(|addr| !addr.is_empty()).collect();
        wanted.difference(kept).for_each(|addr| self.peers().links().keep(addr));
        kept.difference(&wanted).for_each(|addr| self.peers().links().unkeep(addr));
        *kept = wanted;
    }

    fn on_job_change(self: &Arc<Self>, change: JobChange) {
        match change {
            JobChange::Added(row) => self.open_mine(&row),
            JobChange::Changed { now, .. } => self.on_row_change(&now),
            JobChange::Removed { job, group } => self.on_retired(job, group),
        }
    }

    fn open_mine(self: &Arc<Self>, row: &JobRow) {
        let Some(opening) = self.my_opening(row) else { return };
        let opened = match (self.ground.wal.is_known(wal_key(&opening)), &row.opening) {
            (true, _) => self.ensure_cold(opening),
            (false, Some(_)) => self.await_turn(opening),
            (false, None) => self.ensure(opening),
        };
        if let Err(error) = opened {
            tracing::warn!(job = %row.job, %error, "not opened: this replica was removed, or another group of the job is still being closed");
        }
    }

    fn on_row_change(self: &Arc<Self>, row: &JobRow) {
        let Some(slot) = self.slot(row.job) else { return self.open_mine(row) };
        if slot.group_id() == row.group && self.is_over(&slot, row) {
            return self.destroy(slot);
        }
        self.on_set_change(&slot, row);
    }

    /// Out of the set, or about to begin anew here: then the comer is opened by its leader's first call. A directory that
    /// is behind that call says nothing of it.
    fn is_over(&self, slot: &Slot<M>, row: &JobRow) -> bool {
        let renewed = row.replica_of(self.me()).is_some_and(|mine| mine != slot.replica());
        let is_older = row.set_index < slot.opening.set_index;
        !is_older && (renewed || !row.concerns(slot.replica()))
    }

    fn on_set_change(self: &Arc<Self>, slot: &Arc<Slot<M>>, row: &JobRow) {
        if let Some(group) = slot.running() {
            group.wires.set_index.store(row.set_index, Ordering::Relaxed);
        }
        if row.plan.is_some() {
            self.wake_for_work(slot);
        }
    }

    fn on_retired(self: &Arc<Self>, job: JobId, group: GroupId) {
        let slot = self.slot(job).filter(|slot| slot.group_id() == group);
        if let Some(slot) = slot {
            self.destroy(slot);
        }
    }

    /// How to open this node's replica of a job, if it has one.
    pub(crate) fn my_opening(&self, row: &JobRow) -> Option<Opening> {
        let me = row.replica_of(self.me())?;
        Some(opening_of(row, me))
    }

    /// Groups that were opened for a frame while the directory was behind, and were retired before it caught up.
    pub(crate) fn destroy_orphans(self: &Arc<Self>) {
        let view = self.directory.view();
        let known = |slot: &Slot<M>| {
            let row = view.state.job(slot.job()).filter(|row| row.group == slot.group_id());
            row.is_some_and(|row| row.concerns(slot.replica()))
        };
        let caught_up = |slot: &Slot<M>| view.applied >= slot.opening.set_index.max(slot.group_id().0);
        let orphans = self.all_slots().into_iter().filter(|slot| caught_up(slot) && !known(slot));
        orphans.for_each(|slot| self.destroy(slot));
    }

    /// Replicas in the log that the directory knows nothing of, or no more: left by a crash in the middle of a removal. The
    /// newest directory decides: one that lags behind after a start does not know yet who was taken into a group, and such
    /// a replica may have acknowledged entries.
    pub(crate) async fn erase_orphans(&self) {
        let view = self.directory.view();
        let mut suspects = self.ground.wal.groups();
        suspects.retain(|key| self.is_orphan(&view, *key));
        if suspects.is_empty() {
            return;
        }
        let deadline = self.clock().now() + ORPHAN_WITHIN;
        let Ok(newest) = self.directory.group().up_to_date(deadline).await else { return };
        for key in suspects.into_iter().filter(|key| self.is_orphan(&newest, *key)) {
            tracing::info!(group = key.group, "removing a replica of a group that is no more");
            self.erase(key).await;
        }
    }

    fn is_orphan(&self, view: &View<Directory>, key: GroupKey) -> bool {
        let (group, mine) = (GroupId(key.group), RaftId::new(self.me(), Incarnation(key.incarnation)));
        let job = view.state.job_of_group(group);
        let is_held = job.and_then(|job| self.slot(job)).is_some_and(|slot| slot.replica() == mine);
        group != GroupId(0) && !is_held && has_let_go(view, group, mine)
    }

    /// A replica that was removed from here, or must be, is not opened again, whatever a row or a frame says that lags
    /// behind: it would have forgotten its votes. The log forgets removals in time, the directory does not.
    pub(super) fn is_gone(&self, opening: &Opening) -> bool {
        let by_directory = || has_let_go(&self.directory.view(), opening.group, opening.me);
        self.ground.wal.is_over(wal_key(opening)) || by_directory()
    }
}

/// The replica's group is retired, or it is no more in the set. A directory that is behind the group's registration, or
/// behind the replica's coming, has not.
fn has_let_go(view: &View<Directory>, group: GroupId, replica: RaftId) -> bool {
    match view.state.job_of_group(group).and_then(|job| view.state.job(job)) {
        Some(row) => !row.concerns(replica) && replica.incarnation() <= row.incarnation,
        None => group.0 <= view.applied,
    }
}

/// How to open a replica of a job.
fn opening_of(row: &JobRow, me: RaftId) -> Opening {
    let birth = BirthSet {
        proposer: row.birth.proposer,
        replicas: row.birth.replicas.clone(),
        has_opening: row.opening.is_some(),
    };
    Opening { group: row.group, job: row.job, me, set_index: row.set_index, birth: Some(birth) }
}

fn node_of(row: &MemberRow) -> NodeRef {
    NodeRef {
        id: row.node,
        generation: row.generation,
        member: row.number,
        name: row.name.clone(),
        addr: row.rpc.clone(),
    }
}
