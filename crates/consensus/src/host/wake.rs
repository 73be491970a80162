//! A member can be reached again: what was given a rest goes on at once.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use muster_machine::Machine;
use muster_runtime::TaskKind;
use muster_wire::MemberNumber;

use super::Host;
use super::slot::Slot;
use crate::raft::group::Group;

const WAKE: TaskKind = TaskKind::new("replication_wake");
/// Groups that are woken at the same time.
const AT_ONCE: usize = 64;

impl<M: Machine> Host<M> {
    /// Its replicas are caught up, and groups without a leader may have a quorum now. `None`: any member.
    pub(crate) fn wake_towards(self: &Arc<Self>, member: Option<MemberNumber>) {
        let host = self.clone();
        self.scope().spawn_until_stop(WAKE, async move {
            wake_group(host.directory.group(), member).await;
            let led = host.led_slots();
            stream::iter(led).for_each_concurrent(AT_ONCE, |slot| wake_slot(slot, member)).await;
            host.try_leaderless_soon();
        });
    }
}

async fn wake_slot<M: Machine>(slot: Arc<Slot<M>>, member: Option<MemberNumber>) {
    if let Some(group) = slot.running() {
        wake_group(&group, member).await;
    }
}

async fn wake_group<G: Machine>(group: &Group<G>, member: Option<MemberNumber>) {
    let concerned = group.others().any(|other| member.is_none_or(|member| member == other.member()));
    if !concerned || !group.is_leader() {
        return;
    }
    if let Err(error) = group.wake_replication().await {
        tracing::debug!(group = %group.id, %error, "a group cannot be served here");
    }
}
