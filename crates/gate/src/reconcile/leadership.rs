//! Makes the Raft leader of a job's group the job's leader: first, after another, after its own restart, after a
//! planned hand-over. Before that it acts for nobody.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use muster_machine::Entry;
use muster_node::driver::{Next, Reconciler};
use muster_wire::{CodecError, NodeRef};

use super::{Job, acts, commit, entry_under, settled, unencodable};
use crate::machine::commands::{AssumeGateLeadership, ProcessLeadershipClaim, TakeoverGateLeadership};
use crate::machine::{GateJob, Leadership};

pub(super) struct LeadershipDuty;

impl Reconciler<GateJob> for LeadershipDuty {
    fn name(&self) -> &'static str {
        "leadership"
    }

    fn reconcile<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Next> {
        async move { settled(lead(job).await) }.boxed()
    }
}

async fn lead(job: &Job) -> Result<Next, Next> {
    let nothing_to_lead = job.view.state.record.is_none();
    if nothing_to_lead || acts(job) {
        return Ok(Next::Idle);
    }
    let entry = step(job).map_err(|error| unencodable(&error))?;
    commit(job, "leadership", entry).await?;
    tracing::info!(job = %job.job, term = job.term, "leading the job");
    Ok(Next::Idle)
}

fn step(job: &Job) -> Result<Entry, CodecError> {
    let leadership = &job.view.state.leadership;
    let (node, next) = (job.me.clone(), leadership.next_token());
    let entry = entry_under(job, next);
    match way(leadership, &job.me) {
        Way::Claim => entry.with(&ProcessLeadershipClaim { claimer: node, token: next }),
        Way::Assume => entry.with(&AssumeGateLeadership { node }),
        Way::TakeOver => entry.with(&TakeoverGateLeadership { node, expected_token: leadership.token }),
    }
}

enum Way {
    Claim,
    Assume,
    TakeOver,
}

fn way(leadership: &Leadership, me: &NodeRef) -> Way {
    match (&leadership.leader, &leadership.successor) {
        (Some(_), _) => Way::TakeOver,
        (None, Some(successor)) if successor == me => Way::Claim,
        (None, _) => Way::Assume,
    }
}
