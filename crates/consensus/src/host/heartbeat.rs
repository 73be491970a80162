//! One heartbeat loop for all groups led here, in slots of 10 ms: Raft's own timers would cost several times as much.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use muster_machine::Machine;
use muster_runtime::TaskKind;
use muster_wire::MemberNumber;
use tokio::time::MissedTickBehavior;

use super::Host;
use crate::raft::group::Group;

const HEARTBEAT: TaskKind = TaskKind::vital("group_heartbeat");
const SLOT: Duration = Duration::from_millis(10);
/// A leader whom everybody answered within so many heartbeats leaves the next one out: the lease lasts several times longer.
/// A follower that does not answer, its disk being slow, needs to hear of its leader all the more.
const FRESH_HEARTBEATS: u32 = 2;

pub(crate) fn start<M: Machine>(host: &Arc<Host<M>>) {
    let host = host.clone();
    let scope = host.scope().clone();
    scope.spawn_until_stop(HEARTBEAT, async move { host.beat().await });
}

impl<M: Machine> Host<M> {
    async fn beat(&self) {
        let mut ticks = tokio::time::interval(SLOT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let period = self.config.profile.timing().heartbeat();
        let fresh = period * FRESH_HEARTBEATS;
        loop {
            let (linked, buckets) = (self.linked(), self.buckets());
            if buckets.iter().all(Vec::is_empty) {
                muster_runtime::rest(period).await;
                continue;
            }
            for bucket in buckets {
                ticks.tick().await;
                let stale = bucket.iter().filter(|group| !group.heard_all_within(fresh, &linked));
                stale.for_each(|group| beat_once(group));
            }
        }
    }

    /// Members that a heartbeat can reach. Who gets a link again is sent one at once.
    fn linked(&self) -> Vec<MemberNumber> {
        let links = self.peers().links();
        let others = self.peers().others().into_iter();
        others.filter(|other| links.is_open(&other.addr)).map(|other| other.member).collect()
    }

    /// The led groups of one period, spread over its slots.
    fn buckets(&self) -> Vec<Vec<Arc<Group<M>>>> {
        let period = self.config.profile.timing().heartbeat();
        let count = (period.as_millis() / SLOT.as_millis()).max(1) as usize;
        let mut buckets: Vec<Vec<Arc<Group<M>>>> = vec![Vec::new(); count];
        for group in self.led_slots().into_iter().filter_map(|slot| slot.running()) {
            let at = group.id.0 as usize % count;
            if let Some(bucket) = buckets.get_mut(at) {
                bucket.push(group);
            }
        }
        buckets
    }
}

/// An instance whose queue is full is busy with what renews its lease anyway.
fn beat_once<M: Machine>(group: &Group<M>) {
    let asked = group.raft.trigger().heartbeat().now_or_never();
    if asked.is_none() {
        metrics::counter!("muster_group_heartbeats_skipped_total").increment(1);
    }
}
