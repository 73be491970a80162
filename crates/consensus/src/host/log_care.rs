//! What the write-ahead log asks of its host: snapshots of groups that hold old segments, and a way out for groups whose
//! records are damaged here.

use std::sync::Arc;
use std::time::Duration;

use muster_machine::Machine;
use muster_wal::{Damage, Level};
use muster_wire::{GroupId, Incarnation, RaftId};

use super::Host;
use super::replace::plan::plan_for;
use super::slot::Slot;
use crate::directory::JobRow;
use crate::error::ProposeError;

/// How long a group on disk may take to be opened.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

impl<M: Machine> Host<M> {
    /// New work is refused while the log can hardly take what is under way.
    pub(crate) fn check_log(&self) -> Result<(), ProposeError> {
        match self.ground.wal.level() {
            Level::Batch | Level::Reject => Err(ProposeError::busy()),
            Level::Accept | Level::Throttle => Ok(()),
        }
    }

    /// A snapshot lets a group purge, and then the segments go that hold it. Groups at rest hold segments, too.
    pub(crate) async fn snapshot_slow(self: &Arc<Self>) {
        for key in self.ground.wal.take_slow_groups() {
            let job = self.directory.view().state.job_of_group(GroupId(key.group));
            if let Some(slot) = job.and_then(|job| self.slot(job)) {
                self.snapshot_one(&slot).await;
            }
        }
    }

    async fn snapshot_one(self: &Arc<Self>, slot: &Arc<Slot<M>>) {
        let Ok(group) = self.resident(slot, self.clock().now() + OPEN_WITHIN).await else { return };
        if group.raft.trigger().snapshot().await.is_err() {
            tracing::debug!(group = %group.id, "no snapshot: the group has stopped");
        }
    }

    /// A replica whose records are damaged here must not vote any more: it is replaced, under a new incarnation, where
    /// there is another member for it.
    pub(crate) async fn replace_damaged(&self) {
        for damage in self.ground.wal.damaged() {
            self.replace_one(&damage).await;
        }
    }

    async fn replace_one(&self, damage: &Damage) {
        let directory = self.directory.view().state;
        let me = RaftId::new(self.me(), Incarnation(damage.key.incarnation));
        let held = |row: &&JobRow| row.group.0 == damage.key.group && row.replicas.contains(&me);
        let row = directory.jobs().find(held);
        let Some(plan) = row.and_then(|row| plan_for(&directory, row, &[self.me()])) else { return };
        match self.tell_directory(&plan).await {
            Ok(()) => {
                tracing::warn!(job = %plan.job, into = %plan.into, "a damaged replica is to be replaced")
            }
            Err(error) => tracing::info!(job = %plan.job, %error, "a damaged replica is not yet replaced"),
        }
    }
}
