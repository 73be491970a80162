//! Everything that is led here goes to somebody else: before a planned stop, and from a node whose clock is wrong. And what
//! was given away and taken by nobody.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use muster_machine::Machine;
use muster_runtime::{TaskKind, random};
use muster_wire::{JobId, MemberNumber, RaftId};

use super::Host;
use super::election::next_try;
use super::life::TAKEN_WITHIN;
use super::slot::Slot;
use super::standing::Standing;
use crate::directory::{Directory, MemberStatus};
use crate::raft::group::Group;

/// Groups that are handed over at the same time.
const AT_ONCE: usize = 16;
/// How long one hand-over may take.
const WITHIN: Duration = Duration::from_secs(1);
const OFFER: TaskKind = TaskKind::new("group_offer");

impl<M: Machine> Host<M> {
    /// Hands over whatever is led here, once.
    pub(crate) async fn give_all_away(self: &Arc<Self>) {
        let led: Vec<JobId> = self.led.borrow().keys().copied().collect();
        stream::iter(led).for_each_concurrent(AT_ONCE, |job| self.give_away(job)).await;
        let directory = self.directory.group().clone();
        if let Some(to) = self.heir_of(&directory).filter(|_| directory.is_leader()) {
            drop(self.hand_group_over(&directory, to, self.clock().now() + WITHIN).await);
        }
    }

    async fn give_away(self: &Arc<Self>, job: JobId) {
        let Some(group) = self.slot(job).and_then(|slot| slot.running()) else { return };
        let Some(to) = self.heir_of(&group) else { return };
        if let Err(error) = self.hand_over(job, to, self.clock().now() + WITHIN).await {
            tracing::debug!(%job, %to, %error, "a group is not yet given away");
        }
    }

    /// A voter that lives and is not about to go itself.
    fn heir_of<G: Machine>(&self, group: &Group<G>) -> Option<MemberNumber> {
        let directory = self.directory.view().state;
        let voters = group.membership().0.into_iter().map(|voter| voter.member());
        let fit = |member: &MemberNumber| {
            *member != self.me() && self.peers().is_live(*member) && !is_draining(&directory, *member)
        };
        let mut heirs: Vec<MemberNumber> = voters.filter(fit).collect();
        let by = (group.id.0 as usize).checked_rem(heirs.len())?;
        heirs.rotate_left(by);
        heirs.first().copied()
    }
}

impl<M: Machine> Host<M> {
    /// What was given away and is still led here takes no entries: some voter has to lead, and is asked again and again.
    pub(crate) fn offer_what_is_stuck(&self, slots: &[Arc<Slot<M>>]) {
        for slot in slots {
            if let Some(group) = slot.running() {
                self.offer_if_stuck(&group, &slot.standing);
            }
        }
        self.offer_if_stuck(self.directory.group(), &self.directory_standing);
    }

    fn offer_if_stuck<G: Machine>(&self, group: &Arc<Group<G>>, standing: &Standing) {
        let now = self.now_ms();
        if !group.is_stuck_since(TAKEN_WITHIN * 2) || !standing.take_try(now, next_try(now)) {
            return;
        }
        let Some(to) = self.any_heir_of(group) else { return };
        let group = group.clone();
        self.scope().spawn_until_stop(OFFER, async move {
            let offered = group.offer(to, TAKEN_WITHIN).await;
            tracing::info!(group = %group.id, member = %to.member(), ?offered, "nobody took a group that was handed over: a replica is asked to lead");
        });
    }

    fn any_heir_of<G: Machine>(&self, group: &Group<G>) -> Option<RaftId> {
        let voters = group.membership().0.into_iter();
        let heirs: Vec<RaftId> =
            voters.filter(|voter| *voter != group.me && self.peers().is_live(voter.member())).collect();
        let drawn = random::below(heirs.len().max(1) as u64);
        heirs.get(drawn as usize).copied()
    }
}

fn is_draining(directory: &Directory, member: MemberNumber) -> bool {
    directory.member(member).is_some_and(|row| row.status == MemberStatus::Draining)
}
