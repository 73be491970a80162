//! Membership changes of workers start the reconcilers of the jobs that they concern.

use muster_swim::{Event, Member};
use muster_wire::{NodeId, Role};

use crate::shared::Shared;

/// Follows the failure detector until it stops.
pub(crate) async fn follow_workers(shared: &Shared) {
    let (members, mut events) = shared.swim.subscribe();
    members.iter().for_each(|member| poke(shared, member.id));
    while let Some(event) = events.next().await {
        follow(shared, &event);
    }
}

fn follow(shared: &Shared, event: &Event) {
    match event {
        Event::Leave { id, .. } | Event::Dead { id, .. } => poke(shared, *id),
        Event::Join { member, .. } | Event::Update { member, .. } => joined(shared, member),
        Event::Lagged { .. } => poke_all(shared),
        _ => {}
    }
}

fn poke(shared: &Shared, worker: NodeId) {
    shared.load.jobs_on(worker).into_iter().for_each(|job| shared.poke(job));
}

/// A worker that is new may have room, one that is back may hold attempts.
fn joined(shared: &Shared, member: &Member) {
    if member.meta.role == Role::Worker {
        poke_all(shared);
    }
}

/// Jobs look at the state themselves: a poke too many costs a look.
fn poke_all(shared: &Shared) {
    let led = shared.coordinator.led().borrow().clone();
    led.keys().for_each(|job| shared.poke(*job));
}
