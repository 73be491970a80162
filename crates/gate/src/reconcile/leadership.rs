//! Makes the Raft leader of a job's group the job's leader: first, after another, after its own restart, after a
//! planned hand-over. Before that it acts for nobody.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use muster_machine::Entry;
use muster_node::driver::{Next, Reconciler};
use muster_wire::{CodecError, NodeRef};

use super::{Job, acts, commit, entry_under, settled, unencodable};
use crate::machine::commands::{AssumeGateLeadership, ProcessLeadershipClaim, TakeoverGateLeadership};
use crate::machine::{GateJob, Leadership};

/// A named successor has so long to claim before any other leader assumes, ms.
const SUCCESSOR_MS: u64 = 3_000;
const SUCCESSOR_LOOK: Duration = Duration::from_millis(500);

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
    if let Some(successor) = awaited(job) {
        tracing::debug!(job = %job.job, successor = successor.name, "leaving the job to its successor");
        return Ok(Next::After(SUCCESSOR_LOOK));
    }
    let entry = step(job).map_err(|error| unencodable(&error))?;
    commit(job, "leadership", entry).await?;
    tracing::info!(job = %job.job, term = job.term, "leading the job");
    Ok(Next::Idle)
}

/// The named successor, while it may still claim.
fn awaited(job: &Job) -> Option<&NodeRef> {
    let state = &job.view.state;
    let successor = state.leadership.successor.as_ref().filter(|successor| **successor != job.me)?;
    let changed_at_ms = state.record.as_ref().map_or(0, |record| record.changed_at_ms);
    (job.now_ms() < changed_at_ms + SUCCESSOR_MS).then_some(successor)
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
