//! `ExplainJob` and `ReadStats`: what a job waits for, and its numbers, from its leader's state.

use std::sync::Arc;

use muster_consensus::{Consistency, View};
use muster_wire::JobId;
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::{ExplainJob, Explained, ReadStats};
use muster_wire::stats::StatsHistory;

use super::at_leader::at_leader;
use crate::explain::{Scene, explain as explain_record};
use crate::machine::{ManagerJob, Wanted};
use crate::seats::Seat;
use crate::shared::{PROPOSE_WITHIN, Shared};

/// What a job waits for.
pub(crate) async fn explain(shared: Arc<Shared>, call: ExplainJob) -> Result<Explained, RpcError> {
    at_leader(shared, call, explain_here).await
}

async fn explain_here(shared: Arc<Shared>, call: ExplainJob) -> Result<Explained, RpcError> {
    let view = read(&shared, call.job).await?;
    let record = view.state.record().ok_or_else(|| shared.not_leader(call.job))?;
    let (seats, now) = (shared.seats(), shared.clock.now());
    let free = |seat: &Seat| shared.load.free(seat, now);
    let scene = Scene { seats: &seats, free: &free, now_ms: shared.clock.unix_ms() };
    Ok(explain_record(record, &scene, call.limit as usize))
}

/// A job's numbers over time.
pub(crate) async fn stats(shared: Arc<Shared>, call: ReadStats) -> Result<StatsHistory, RpcError> {
    at_leader(shared, call, stats_here).await
}

async fn stats_here(shared: Arc<Shared>, call: ReadStats) -> Result<StatsHistory, RpcError> {
    let view = read(&shared, call.job).await?;
    let record = view.state.record().ok_or_else(|| shared.not_leader(call.job))?;
    let wanted = Wanted { workflow: call.workflow, from_ms: call.from_ms, step_ms: call.step_ms };
    Ok(record.history(&wanted))
}

async fn read(shared: &Shared, job: JobId) -> Result<View<ManagerJob>, RpcError> {
    Ok(shared.coordinator.read(job, Consistency::Linearizable, PROPOSE_WITHIN).await?)
}
