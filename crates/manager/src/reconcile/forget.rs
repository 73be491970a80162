//! The end of a job in this datacenter: its workers forget it, then its state is purged.

use muster_node::driver::Next;
use muster_wire::NodeRef;
use muster_wire::rpc::worker::ForgetJob;

use super::Job;
use super::calls::in_waves;
use crate::draft::Draft;
use crate::machine::JobRecord;
use crate::machine::commands::{CompleteJob, ReleaseJobLeadership, WithoutJob};
use crate::shared::{CALL_WITHIN, Shared};

/// Who holds the result from here on?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holder {
    /// The gates have acknowledged it, or nobody is owed it.
    Acknowledged,
    /// Nobody: its retention is over.
    Expired,
}

/// Tells the workers, then commits the purge.
pub(super) async fn purge(shared: &Shared, job: &Job, (record, holder): (&JobRecord, Holder)) -> Next {
    let live = shared.seats().into_iter().filter(|seat| seat.state.is_live()).map(|seat| seat.node);
    let live: Vec<NodeRef> =
        live.filter(|node| record.workers().any(|worker| worker.id == node.id)).collect();
    in_waves(live.iter().map(|worker| forget(shared, job, worker)).collect()).await;
    let mut draft = Draft::new(job.job, &job.view, job.now_ms());
    draft.push(&ReleaseJobLeadership { node: job.me.clone(), successor: None });
    let acknowledged_by_gate = holder == Holder::Acknowledged;
    draft.push(&CompleteJob { acknowledged_by_gate, without_job: WithoutJob::Void });
    shared.commit(job.job, draft).await.next()
}

/// A worker that does not hear it forgets the job after its own retention.
async fn forget(shared: &Shared, job: &Job, worker: &NodeRef) {
    let call = ForgetJob { job: job.job, token: job.token() };
    if let Err(error) = shared.links.call_node(worker, &call, CALL_WITHIN).await {
        tracing::debug!(worker = worker.name, %error, "a worker did not hear that a job is over");
    }
}
