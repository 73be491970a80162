//! What a manager shows as metrics and in `GET /health`.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_node::Node;
use muster_swim::State;
use muster_wire::api::{CapacityHealth, Health, SchedulerHealth, WorkerHealth};
use muster_wire::job::{JobStatus, ShardCounts};

use crate::machine::ManagerJob;
use crate::seats::Seat;
use crate::shared::Shared;

/// Adds the managers' parts of `GET /health`.
pub(crate) fn add_health(node: &Node<ManagerJob>, shared: &Arc<Shared>) {
    let shared = shared.clone();
    node.additions.set_health(move |health| fill(&shared, health));
}

fn fill(shared: &Shared, health: &mut Health) {
    let seats = shared.seats();
    let count = |is: fn(&Seat) -> bool| seats.iter().filter(|seat| is(seat)).count() as u32;
    health.workers = Some(WorkerHealth {
        total: seats.len() as u32,
        active: count(Seat::is_open),
        suspect: count(|seat| seat.state == State::Suspect),
        dead: count(|seat| !seat.state.is_live()),
    });
    let total = seats.iter().filter(|seat| seat.state.is_live()).map(|seat| seat.cores).sum();
    let used = shared.load.total();
    health.capacity = Some(CapacityHealth { total, used, available: u32::saturating_sub(total, used) });
    let (dispatched, dispatch_failed) = shared.counts.get();
    health.scheduler = Some(SchedulerHealth { dispatched, dispatch_failed });
}

/// Sets `muster_jobs{status}` and `muster_shards{state}` over the jobs led here.
pub(crate) fn set(shared: &Shared) {
    let led = shared.coordinator.led().borrow().clone();
    let mut jobs: BTreeMap<JobStatus, u32> = JobStatus::ALL.iter().map(|status| (*status, 0)).collect();
    let mut shards = ShardCounts::default();
    for job in led.keys() {
        let Some(views) = shared.coordinator.watch(*job) else { continue };
        let state = views.borrow().state.clone();
        count(&state, (&mut jobs, &mut shards));
    }
    for (status, count) in jobs {
        metrics::gauge!("muster_jobs", "status" => status.word()).set(count);
    }
    set_shards(&shards);
}

fn count(state: &ManagerJob, (jobs, shards): (&mut BTreeMap<JobStatus, u32>, &mut ShardCounts)) {
    if let Some(status) = state.status() {
        *jobs.entry(status).or_default() += 1;
    }
    for (_, workflow) in state.record().into_iter().flat_map(|record| record.workflows()) {
        add(shards, &workflow.counts());
    }
}

/// The sums of two counts.
pub(crate) fn add(sum: &mut ShardCounts, more: &ShardCounts) {
    sum.total += more.total;
    sum.pending += more.pending;
    sum.running += more.running;
    sum.succeeded += more.succeeded;
    sum.failed += more.failed;
    sum.lost += more.lost;
    sum.cancelled += more.cancelled;
}

fn set_shards(shards: &ShardCounts) {
    let states = [
        ("pending", shards.pending),
        ("running", shards.running),
        ("succeeded", shards.succeeded),
        ("failed", shards.failed),
        ("lost", shards.lost),
        ("cancelled", shards.cancelled),
    ];
    for (state, count) in states {
        metrics::gauge!("muster_shards", "state" => state).set(count);
    }
}
