//! Planned hand-over: a gate that stops releases the jobs that it leads to a named successor, then gives the group's
//! Raft leadership to it. Whatever is not handed over in time is elected elsewhere.

use std::time::Duration;

use futures_util::StreamExt as _;
use muster_consensus::View;
use muster_swim::State;
use muster_wire::{JobId, NodeRef};

use crate::gate::Gate;
use crate::machine::GateJob;

/// Jobs that are handed over at the same time.
const AT_ONCE: usize = 32;
/// For one job.
const ONE_TIMEOUT: Duration = Duration::from_secs(1);

/// Hands over every open job that this gate leads, as far as the time goes.
pub(crate) async fn hand_over_all(gate: &Gate, within: Duration) {
    let led: Vec<JobId> = gate.coordinator.led().borrow().keys().copied().collect();
    let all = futures_util::stream::iter(led).for_each_concurrent(AT_ONCE, |job| hand_over(gate, job));
    if tokio::time::timeout(within, all).await.is_err() {
        tracing::warn!("not every job was handed over in time; the others are elected elsewhere");
    }
}

async fn hand_over(gate: &Gate, job: JobId) {
    let Some(view) = gate.coordinator.watch(job).map(|views| views.borrow().clone()) else { return };
    let Some(successor) = successor(gate, &view) else { return };
    let _ = gate.coordinator.hand_over(job, successor.member, ONE_TIMEOUT).await;
}

/// A living replica of an open job that this gate acts for.
fn successor(gate: &Gate, view: &View<GateJob>) -> Option<NodeRef> {
    let me = gate.coordinator.me();
    let acts = view.state.leadership.is_led_by(&me) && !view.state.is_terminal();
    let is_alive =
        |node: &NodeRef| gate.swim.member(node.id).is_some_and(|member| member.state == State::Alive);
    let mut others = gate.coordinator.replicas(view.state.job).into_iter().filter(|node| node.id != me.id);
    others.find(is_alive).filter(|_| acts)
}
