//! The duties of the gate that leads a job, one file each. Each compares the replicated state with what is done and
//! takes the next idempotent step under the job's token.

mod callback;
mod cancel;
mod finish;
mod inquiry;
mod leadership;
mod lost;
mod membership;
mod retention;
mod route;

use std::sync::Arc;
use std::time::Duration;

use muster_consensus::ProposeError;
use muster_machine::{Entry, EntryReply, Reason};
use muster_node::driver::{JobContext, Next, Reconciler};
use muster_wire::Token;

use crate::gate::Gate;
use crate::machine::GateJob;

/// Longest wait for one commit.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after a step that did not work.
const RETRY_AFTER: Duration = Duration::from_millis(300);

pub(crate) use callback::place_of;
pub(crate) use retention::releases;
pub(crate) use route::{with_dispatching, with_leases};

type Job = JobContext<GateJob>;

/// Every duty.
pub fn all(gate: &Gate) -> Vec<Arc<dyn Reconciler<GateJob>>> {
    vec![
        Arc::new(leadership::LeadershipDuty),
        Arc::new(route::RouteDuty::new(gate.clone())),
        Arc::new(inquiry::InquiryDuty::new(gate.clone())),
        Arc::new(lost::LostDuty::new(gate.clone())),
        Arc::new(cancel::CancelDuty::new(gate.clone())),
        Arc::new(finish::FinishDuty),
        Arc::new(callback::CallbackDuty::new(gate.clone())),
        Arc::new(retention::RetentionDuty::new(gate.config.register_timeout)),
        Arc::new(membership::MembershipDuty::new(gate.swim.clone())),
    ]
}

/// Does this very process act for the job?
fn acts(job: &Job) -> bool {
    job.view.state.leadership.is_led_by(&job.me)
}

/// An empty entry under the job's present token.
fn entry(job: &Job) -> Entry {
    entry_under(job, job.token())
}

fn entry_under(job: &Job, token: Token) -> Entry {
    Entry::new(job.job, token, job.now_ms())
}

/// Commits an entry of this job's leader. `Err`: when to look again.
async fn commit(job: &Job, what: &'static str, entry: Entry) -> Result<EntryReply, Next> {
    let reply = job.coordinator.propose_here(job.job, entry, COMMIT_TIMEOUT).await;
    let reply = reply.map_err(|error| after_failure(job, what, &error))?;
    match reply.rejection() {
        None => Ok(reply),
        Some(reason) => Err(after_refusal(job, what, reason)),
    }
}

fn after_failure(job: &Job, what: &'static str, error: &ProposeError) -> Next {
    tracing::debug!(job = %job.job, what, %error, "not committed");
    Next::After(RETRY_AFTER)
}

/// The state has moved on: the next run sees it.
fn after_refusal(job: &Job, what: &'static str, reason: &Reason) -> Next {
    if matches!(reason, Reason::Fenced { .. }) {
        metrics::counter!("muster_fenced_total", "at" => "gate").increment(1);
    }
    tracing::debug!(job = %job.job, what, %reason, "refused");
    Next::After(RETRY_AFTER)
}

/// Either way a result of [`commit`] is what to do next.
fn settled(outcome: Result<Next, Next>) -> Next {
    outcome.unwrap_or_else(|next| next)
}

/// An entry that does not encode never will: look again much later.
fn unencodable(error: &muster_wire::CodecError) -> Next {
    tracing::error!(%error, "an entry does not encode");
    Next::Idle
}

/// The earlier of two.
fn sooner(one: Next, other: Next) -> Next {
    match (one, other) {
        (Next::Again, _) | (_, Next::Again) => Next::Again,
        (Next::After(one), Next::After(other)) => Next::After(one.min(other)),
        (Next::After(after), Next::Idle) | (Next::Idle, Next::After(after)) => Next::After(after),
        (Next::Idle, Next::Idle) => Next::Idle,
    }
}
