//! `ListWorkers` and `SetWorkerDraining`: the workers are asked themselves, they are the authority on their cores.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use muster_link::CallError;
use muster_swim::State;
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::{ListWorkers, SetWorkerDraining, WorkerList, WorkerRow};
use muster_wire::rpc::worker::{DescribeWorker, DrainWorker, WorkerReport};

use crate::seats::Seat;
use crate::shared::{CALL_WITHIN, Shared};

/// A worker that does not answer within this is listed without its figures.
const ASK_WITHIN: Duration = Duration::from_secs(1);
/// Workers asked at the same time.
const ASKED_AT_ONCE: usize = 64;
/// Workers in one answer.
const WORKERS_MAX: usize = 10_000;

/// The workers, by name.
pub(crate) async fn list(shared: Arc<Shared>, _: ListWorkers) -> Result<WorkerList, RpcError> {
    let mut seats = shared.seats();
    seats.truncate(WORKERS_MAX);
    let asked = stream::iter(seats).map(|seat| describe(&shared, seat));
    let mut workers: Vec<WorkerRow> = asked.buffer_unordered(ASKED_AT_ONCE).collect().await;
    workers.sort_by(|a, b| a.node.name.cmp(&b.node.name));
    Ok(WorkerList { workers })
}

async fn describe(shared: &Shared, seat: Seat) -> WorkerRow {
    let report = match seat.state.is_live() {
        true => shared.links.call_node(&seat.node, &DescribeWorker {}, ASK_WITHIN).await.ok(),
        false => None,
    };
    row(shared, &seat, report)
}

fn row(shared: &Shared, seat: &Seat, report: Option<WorkerReport>) -> WorkerRow {
    let used = report.map_or_else(
        || shared.load.used(seat.node.id),
        |report| report.cores_used.saturating_add(report.cores_held),
    );
    WorkerRow {
        node: seat.node.clone(),
        state: state(seat, report.as_ref()).to_owned(),
        cores_total: report.map_or(seat.cores, |report| report.cores_total),
        cores_used: used,
        shards: report.map(|report| report.shards),
        results_pending: report.map(|report| report.results_pending),
        labels: seat.labels.clone(),
    }
}

fn state(seat: &Seat, report: Option<&WorkerReport>) -> &'static str {
    let draining = report.map_or(seat.draining, |report| report.draining);
    match (seat.state, draining) {
        (State::Dead | State::Left, _) => "dead",
        (State::Suspect, _) => "suspect",
        (State::Alive, false) => "active",
        (State::Alive, true) => drain_word(report),
    }
}

/// Drained: nothing runs, nothing is held, every result is acknowledged.
fn drain_word(report: Option<&WorkerReport>) -> &'static str {
    let left = report.map(|report| report.shards + report.results_pending + report.cores_held);
    match left {
        Some(0) => "drained",
        _ => "draining",
    }
}

/// Tells a worker to take nothing new, or to take work again.
pub(crate) async fn set_draining(
    shared: Arc<Shared>,
    call: SetWorkerDraining,
) -> Result<WorkerRow, RpcError> {
    let seat = find(&shared, &call.worker)?;
    let order = DrainWorker { draining: call.draining };
    let report =
        shared.links.call_node(&seat.node, &order, CALL_WITHIN).await.map_err(|error| match error {
            CallError::Rpc(error) => error,
            other => RpcError::Unknown { why: format!("worker {} did not answer: {other}", seat.node.name) },
        })?;
    Ok(row(&shared, &seat, Some(report)))
}

fn find(shared: &Shared, wanted: &str) -> Result<Seat, RpcError> {
    let is_named = |seat: &Seat| seat.node.name == wanted || seat.node.id.to_string() == wanted;
    let found = shared.seats().into_iter().filter(is_named).max_by_key(|seat| seat.state.is_live());
    found.ok_or_else(|| RpcError::Refused { why: format!("no worker is named `{wanted}`") })
}
