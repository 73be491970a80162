//! Asks after a job in a datacenter that took it and has said nothing for long. One that remembers only how the job ended
//! will not report any more: what it remembers is the result. Any other answer changes nothing.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use muster_node::driver::{Next, Reconciler};
use muster_wire::job::JobStatus;
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::ExplainJob;

use super::route::{ended_there, waiting};
use super::{Job, acts, commit, settled, sooner, unencodable};
use crate::ask::{Asked, ask_datacenter};
use crate::gate::Gate;
use crate::machine::{Dc, GateJob};

/// After so many times the length of a lease without a word the datacenter is asked, and as often again.
const QUIET_LEASES: u32 = 4;

pub(super) struct InquiryDuty {
    gate: Gate,
}

impl InquiryDuty {
    pub(super) const fn new(gate: Gate) -> Self {
        Self { gate }
    }
}

impl Reconciler<GateJob> for InquiryDuty {
    fn name(&self) -> &'static str {
        "inquiry"
    }

    fn reconcile<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Next> {
        async move { self.inquire(job).await }.boxed()
    }
}

impl InquiryDuty {
    async fn inquire(&self, job: &Job) -> Next {
        let open = acts(job) && !job.view.state.is_terminal();
        let accepted = if open { waiting(job, Dc::has_accepted) } else { Vec::new() };
        let nexts = join_all(accepted.into_iter().map(|dc| self.inquire_in(job, dc))).await;
        nexts.into_iter().fold(Next::Idle, sooner)
    }

    async fn inquire_in(&self, job: &Job, name: &str) -> Next {
        let quiet = self.gate.config.lease * QUIET_LEASES;
        let left = quiet.saturating_sub(silence(job, name));
        if !left.is_zero() {
            return Next::After(left);
        }
        let call = ExplainJob { job: job.job, limit: 0, forwarded: false };
        match ask_datacenter(&self.gate, (&job.view.state, name), &call).await {
            Asked::Said(RpcError::Gone { status }) => settled(forgotten(job, name, status).await),
            Asked::Said(_) | Asked::Reply(_) | Asked::Silence => Next::After(quiet),
        }
    }
}

/// Since the datacenter's last word.
fn silence(job: &Job, name: &str) -> Duration {
    let heard_at_ms = job.view.state.dc(name).map_or(0, |dc| dc.heard_at_ms);
    Duration::from_millis(job.now_ms().saturating_sub(heard_at_ms))
}

async fn forgotten(job: &Job, name: &str, status: JobStatus) -> Result<Next, Next> {
    tracing::warn!(job = %job.job, dc = name, %status, "the datacenter has purged the job without an acknowledgement");
    let entry = ended_there(job, name, status).map_err(|error| unencodable(&error))?;
    commit(job, "inquiry", entry).await?;
    Ok(Next::Again)
}
