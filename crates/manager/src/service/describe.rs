//! `DescribeDatacenter`: the datacenter at a glance, for the gates' routing.

use std::sync::Arc;

use muster_consensus::View;
use muster_swim::Member;
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::{DatacenterReport, DescribeDatacenter};
use muster_wire::{NodeRef, Role};

use crate::machine::ManagerJob;
use crate::seats::{Seat, node_ref};
use crate::shared::Shared;

/// Jobs, and shards of each, that are counted as waiting.
const QUEUED_JOBS_MAX: usize = 500;
const QUEUED_SHARDS_MAX: usize = 1_000;

pub(super) async fn describe(
    shared: Arc<Shared>,
    _: DescribeDatacenter,
) -> Result<DatacenterReport, RpcError> {
    let seats: Vec<Seat> = shared.seats().into_iter().filter(|seat| seat.state.is_live()).collect();
    Ok(DatacenterReport {
        datacenter: shared.datacenter.clone(),
        managers: managers(&shared),
        workers: seats.len() as u32,
        cores_total: seats.iter().map(|seat| seat.cores).sum(),
        cores_used: shared.load.total(),
        has_leader: shared.coordinator.directory_status().leader.is_some(),
        queued: queued(&shared),
    })
}

/// Shards that could be dispatched now, of the jobs led here.
fn queued(shared: &Shared) -> u32 {
    let (led, now_ms) = (shared.coordinator.led().borrow().clone(), shared.clock.unix_ms());
    let views = led.keys().take(QUEUED_JOBS_MAX).filter_map(|job| shared.coordinator.watch(*job));
    let waiting = |views: tokio::sync::watch::Receiver<View<ManagerJob>>| {
        let state = views.borrow().state.clone();
        let ready = state.record().map(|record| record.dispatchable(now_ms, QUEUED_SHARDS_MAX));
        ready.into_iter().flatten().map(|(_, shards)| shards.len() as u32).sum::<u32>()
    };
    views.map(waiting).sum()
}

/// Managers alive, this one first.
fn managers(shared: &Shared) -> Vec<NodeRef> {
    let me = shared.me();
    let members = shared.swim.snapshot();
    let others = members.iter().filter(|member| is_manager(shared, member) && member.id != me.id);
    std::iter::once(me.clone()).chain(others.map(node_ref)).collect()
}

fn is_manager(shared: &Shared, member: &Member) -> bool {
    member.state.is_live() && member.meta.role == Role::Manager && member.meta.dc == shared.datacenter
}
