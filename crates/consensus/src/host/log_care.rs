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
use crate::directory::{JobRow, RenewReplica};
use crate::error::ProposeError;

/// While the log is filling up, a new job waits for so long, and so often at most.
const PACE: Duration = Duration::from_millis(10);
const PACES: u32 = 20;
/// How long a group on disk may take to be opened.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

impl<M: Machine> Host<M> {
    /// A new job waits a moment while the log is filling up, and is refused while it can hardly take what is under way.
    pub(crate) async fn admit_job(&self) -> Result<(), ProposeError> {
        for _ in 0..PACES {
            if self.ground.wal.level() != Level::Throttle {
                break;
            }
            tokio::time::sleep(PACE).await;
        }
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

    /// A replica whose records are damaged here must not vote any more: it is replaced under a new incarnation, on another
    /// member if there is one for it, else here.
    pub(crate) async fn replace_damaged(&self) {
        for damage in self.ground.wal.damaged() {
            self.replace_one(&damage).await;
        }
    }

    async fn replace_one(&self, damage: &Damage) {
        let directory = self.directory.view().state;
        let me = RaftId::new(self.me(), Incarnation(damage.key.incarnation));
        let held = |row: &&JobRow| row.group.0 == damage.key.group && row.replicas.contains(&me);
        let Some(row) = directory.jobs().filter(|row| row.plan.is_none()).find(held) else { return };
        let told = match plan_for(&directory, row, &[self.me()]) {
            Some(plan) => self.tell_directory(&plan).await,
            None => self.tell_directory(&renewal(row, me)).await,
        };
        match told {
            Ok(()) => tracing::warn!(job = %row.job, replica = %me, "a damaged replica is to be replaced"),
            Err(error) => tracing::info!(job = %row.job, %error, "a damaged replica is not yet replaced"),
        }
    }
}

fn renewal(row: &JobRow, out: RaftId) -> RenewReplica {
    RenewReplica { job: row.job, set_index: row.set_index, out }
}
