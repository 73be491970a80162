//! What the write-ahead log asks of its host: snapshots of groups that hold old segments, and a way out for groups whose
//! records are damaged here.

use muster_machine::Machine;
use muster_wal::{Damage, Level};
use muster_wire::{Incarnation, RaftId};

use super::Host;
use super::replace::plan::plan_for;
use crate::directory::JobRow;
use crate::error::ProposeError;

impl<M: Machine> Host<M> {
    /// New work is refused while the log can hardly take what is under way.
    pub(crate) fn check_log(&self) -> Result<(), ProposeError> {
        match self.ground.wal.level() {
            Level::Batch | Level::Reject => Err(ProposeError::busy()),
            Level::Accept | Level::Throttle => Ok(()),
        }
    }

    /// A snapshot lets a group purge, and then the segments go that hold it.
    pub(crate) async fn snapshot_slow(&self) {
        let slow = self.ground.wal.take_slow_groups();
        for group in self.all_slots().into_iter().filter_map(|slot| slot.awake()) {
            let named = slow.iter().any(|key| key.group == group.id.0);
            if named && group.raft.trigger().snapshot().await.is_err() {
                tracing::debug!(group = %group.id, "no snapshot: the group has stopped");
            }
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
