//! Carries every committed cancel to every datacenter that ever had a lease, until each has confirmed. A job that is
//! over is stopped wherever it may still run.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use muster_node::driver::{Next, Reconciler};
use muster_wire::job::{CancelOrder, CancelScope};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::{CancelJob, CancelReply};

use super::{Job, acts, commit, entry, settled, unencodable};
use crate::ask::{Asked, ask_datacenter};
use crate::gate::Gate;
use crate::machine::GateJob;
use crate::machine::commands::{CancelConfirmed, SetJob};

/// A cancel that is under way is asked about again after this.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Managers have so long to stop what is over anyway, ms.
const STOP_MS: u64 = 60_000;

pub(super) struct CancelDuty {
    gate: Gate,
}

impl CancelDuty {
    pub(super) const fn new(gate: Gate) -> Self {
        Self { gate }
    }
}

impl Reconciler<GateJob> for CancelDuty {
    fn name(&self) -> &'static str {
        "cancel"
    }

    fn reconcile<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Next> {
        async move { settled(self.cancel(job).await) }.boxed()
    }
}

/// One cancel that one datacenter owes a confirmation of.
struct Owed {
    dc: String,
    workflow_cancel: Option<u32>,
    order: CancelOrder,
}

impl CancelDuty {
    async fn cancel(&self, job: &Job) -> Result<Next, Next> {
        let owed = owed(job);
        if owed.is_empty() || !acts(job) {
            return Ok(Next::Idle);
        }
        let answers = join_all(owed.iter().map(|owed| self.carry(job, owed))).await;
        let confirmed: Vec<CancelConfirmed> = answers.into_iter().flatten().collect();
        if confirmed.is_empty() {
            return Ok(Next::After(ASK_AGAIN));
        }
        record(job, confirmed).await
    }

    /// Asks one datacenter; its confirmation, if it has one.
    async fn carry(&self, job: &Job, owed: &Owed) -> Option<CancelConfirmed> {
        let call =
            CancelJob { job: job.job, gate_token: job.token(), order: owed.order.clone(), forwarded: false };
        let errors = match ask_datacenter(&self.gate, (&job.view.state, &owed.dc), &call).await {
            Asked::Reply(CancelReply::Confirmed { errors }) => errors,
            Asked::Reply(CancelReply::AlreadyTerminal { .. }) | Asked::Said(RpcError::Gone { .. }) => {
                Vec::new()
            }
            Asked::Reply(CancelReply::Cancelling) | Asked::Said(_) | Asked::Silence => return None,
        };
        Some(CancelConfirmed { dc: owed.dc.clone(), workflow_cancel: owed.workflow_cancel, errors })
    }
}

fn owed(job: &Job) -> Vec<Owed> {
    let state = &job.view.state;
    let stops =
        state.owed_stops().into_iter().map(|dc| Owed { dc, workflow_cancel: None, order: stop_order(job) });
    let parts = state.owed_workflow_cancels().into_iter().filter_map(|(ix, dc)| {
        let order = state.record.as_ref()?.workflow_cancels.get(ix as usize)?;
        Some(Owed { dc, workflow_cancel: Some(ix), order: order.as_ref().clone() })
    });
    match state.is_terminal() || state.is_cancelling() {
        true => stops.collect(),
        false => stops.chain(parts).collect(),
    }
}

/// The committed order, or the one that follows from the job's end.
fn stop_order(job: &Job) -> CancelOrder {
    let record = job.view.state.record.as_ref();
    let committed = record.and_then(|record| record.cancel.as_deref().cloned());
    committed.unwrap_or_else(|| CancelOrder {
        scope: CancelScope::Job,
        reason: record.map_or_else(String::new, |record| format!("the job is {}", record.status)),
        requester: "gate".into(),
        grace_ms: None,
        deadline_ms: job.now_ms() + STOP_MS,
    })
}

async fn record(job: &Job, confirmed: Vec<CancelConfirmed>) -> Result<Next, Next> {
    let version = job.view.state.record.as_ref().map_or(0, |record| record.record_version);
    let mut entry = entry(job);
    for (at, confirmed) in confirmed.into_iter().enumerate() {
        let command = SetJob { cancel_confirmed: Some(confirmed), ..SetJob::at(version + at as u64) };
        entry.push(&command).map_err(|error| unencodable(&error))?;
    }
    commit(job, "cancel", entry).await?;
    Ok(Next::Again)
}
