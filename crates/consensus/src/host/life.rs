//! Birth on behalf of a caller, planned hand-over, and the end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use muster_machine::{Entry, Machine};
use muster_runtime::TaskKind;
use muster_wire::{JobId, MemberNumber, RaftId};
use openraft::async_runtime::WatchReceiver as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::Host;
use super::slot::{Phase, Slot};
use crate::directory::Registered;
use crate::error::ProposeError;
use crate::raft::birth::OPENING_INDEX;
use crate::raft::group::Group;
use crate::status::View;

/// A hand-over that is not taken within this is given up.
pub(super) const TAKEN_WITHIN: Duration = Duration::from_millis(500);
/// A job is left to its successor within this, or handed over without.
const RELEASED_WITHIN: Duration = Duration::from_millis(500);
/// A planned stop gives its leaderships away for so long; what is left is elected on evidence.
const GIVE_AWAY_WITHIN: Duration = Duration::from_secs(1);
const CLOSE: TaskKind = TaskKind::new("wal_close");

impl<M: Machine> Host<M> {
    /// Opens this node's replica of a job that was registered here, if it is the one that leads from birth. A new one
    /// leads when this returns, so that whoever asks next need not look for its leader.
    pub(crate) async fn await_birth(
        self: &Arc<Self>,
        (registered, index): &(Registered, u64),
        deadline: Instant,
        asked: JobId,
    ) -> Result<(), ProposeError> {
        self.directory.group().view_at(*index, deadline).await.map_err(|_| ProposeError::Unknown)?;
        let job = match registered {
            Registered::New { .. } => asked,
            Registered::Known { job, .. } => *job,
            Registered::Gone { .. } => return Ok(()),
        };
        let view = self.directory.view();
        let row = view.state.job(job).filter(|row| row.birth.proposer == self.me());
        let Some(opening) = row.and_then(|row| self.my_opening(row)) else { return Ok(()) };
        let slot = self.ensure(opening)?;
        let group = self.resident(&slot, deadline).await?;
        match registered {
            Registered::New { .. } => group.until_led(deadline).await,
            Registered::Known { .. } | Registered::Gone { .. } => Ok(()),
        }
    }

    /// The state of a job that was born here, once the entry after its first one is applied.
    pub(crate) async fn opened_view(&self, job: JobId, deadline: Instant) -> Option<View<M>> {
        let group = self.slot(job)?.running()?;
        group.view_at(OPENING_INDEX, deadline).await.ok()
    }

    /// Hands a led group over and waits until the other one leads.
    pub(crate) async fn hand_over(
        self: &Arc<Self>,
        job: JobId,
        to: MemberNumber,
        deadline: Instant,
    ) -> Result<(), ProposeError> {
        let slot = self.slot(job).ok_or_else(|| self.absent(job))?;
        let group = self.resident(&slot, deadline).await?;
        self.release_to(&group, to, deadline).await;
        self.hand_group_over(&group, to, deadline).await
    }

    /// Whoever acts for the job here leaves it to the successor first: that one is waited for, and no other.
    async fn release_to(&self, group: &Group<M>, to: MemberNumber, deadline: Instant) {
        let Some(entry) = self.release_entry(group, to) else { return };
        let deadline = deadline.min(self.clock().now() + RELEASED_WITHIN);
        if let Err(error) = group.write(entry, deadline).await {
            tracing::debug!(group = %group.id, %error, "a job was not left to its successor; it is handed over all the same");
        }
    }

    fn release_entry(&self, group: &Group<M>, to: MemberNumber) -> Option<Bytes> {
        let (me, successor) = (self.peers().me(), self.peers().node(to)?);
        let moves = group.is_leader() && me.id != successor.id && self.peers().is_live(to);
        let view = moves.then(|| group.view())?;
        let entry = Entry::new(group.job, view.token(), self.clock().unix_ms());
        let entry = view.state.release(&me, &successor, entry)?;
        entry.encode().ok().map(Bytes::from)
    }

    /// Hands a led group over; if it is not taken soon, another replica is asked to lead.
    pub(crate) async fn hand_group_over<G: Machine>(
        &self,
        group: &Group<G>,
        to: MemberNumber,
        deadline: Instant,
    ) -> Result<(), ProposeError> {
        if !group.is_leader() {
            return Err(group.not_leader());
        }
        let successor = self.successor(group, to)?;
        match successor == group.me {
            true => Ok(()),
            false => self.hand_to(group, successor, deadline).await,
        }
    }

    async fn hand_to<G: Machine>(
        &self,
        group: &Group<G>,
        successor: RaftId,
        deadline: Instant,
    ) -> Result<(), ProposeError> {
        group.hand_over(successor.0).await?;
        let soon = deadline.min(self.clock().now() + TAKEN_WITHIN);
        let taken = until_led_by(group, successor, soon).await;
        if taken.is_err() && group.is_leader() {
            self.offer_to_others(group, successor).await;
        }
        taken
    }

    fn successor<G: Machine>(&self, group: &Group<G>, to: MemberNumber) -> Result<RaftId, ProposeError> {
        let voter = group.membership().0.into_iter().find(|voter| voter.member() == to);
        let voter =
            voter.ok_or_else(|| ProposeError::Fatal(format!("member {to} does not vote in this group")))?;
        match self.peers().is_live(to) {
            true => Ok(voter),
            false => Err(ProposeError::Fatal(format!("member {to} cannot be reached"))),
        }
    }

    /// openraft never takes a transfer back: without a new leader the group would be led by nobody.
    async fn offer_to_others<G: Machine>(&self, group: &Group<G>, not: RaftId) {
        let voters = group.membership().0.into_iter();
        for other in voters.filter(|voter| *voter != not && *voter != group.me) {
            let offered = group.offer(other, TAKEN_WITHIN).await;
            let taken = until_led_by(group, other, self.clock().now() + TAKEN_WITHIN).await;
            tracing::info!(group = %group.id, member = %other.member(), ?offered, ?taken, "a hand-over failed: another replica is asked to lead");
            if taken.is_ok() {
                return;
            }
        }
    }

    /// Stops every group, then closes the log. The links let go of this host, so that everything can be dropped.
    pub(crate) async fn shutdown(self: &Arc<Self>, within: Duration) {
        if !self.is_closing() {
            drop(timeout((within / 4).min(GIVE_AWAY_WITHIN), self.give_all_away()).await);
        }
        self.closing.store(true, Ordering::Relaxed);
        self.peers().links().serve(muster_link::router().build());
        let closed = timeout(within, async {
            join_all(self.all_slots().iter().map(|slot| close_slot(slot))).await;
            self.directory.group().close().await;
        });
        if closed.await.is_err() {
            tracing::warn!(?within, "not every group stopped in time");
        }
        let wal = self.ground.wal.clone();
        let closed = self.scope().spawn_blocking(CLOSE, move || wal.close()).await;
        if let Some(Err(error)) = closed {
            tracing::error!(%error, "the write-ahead log did not close cleanly");
        }
    }
}

async fn close_slot<M: Machine>(slot: &Arc<Slot<M>>) {
    if let Some(group) = slot.begin_closing().as_ref().and_then(Phase::running) {
        group.close().await;
    }
}

async fn until_led_by<M: Machine>(
    group: &Group<M>,
    successor: RaftId,
    deadline: Instant,
) -> Result<(), ProposeError> {
    let mut metrics = group.raft.server_metrics();
    loop {
        drop(metrics.borrow_and_update());
        if group.leader() == Some(successor) {
            return Ok(());
        }
        match timeout_at(deadline, metrics.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(ProposeError::NotServing),
            Err(_) => return Err(ProposeError::Timeout),
        }
    }
}
