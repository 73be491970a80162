//! Hands the job to each target datacenter: a committed lease first, then the submission to any of its managers, then
//! the committed answer. After a takeover this repeats under the new tokens. No answer is not a refusal.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use muster_machine::Entry;
use muster_node::driver::{Next, Reconciler};
use muster_runtime::crash_point;
use muster_wire::job::{DcResult, JobStatus};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::{Sibling, SubmitJob, SubmitReply};
use muster_wire::{CodecError, Token};

use super::{Job, RETRY_AFTER, acts, commit, entry, settled, sooner, unencodable};
use crate::ask::{Asked, ask_datacenter};
use crate::gate::Gate;
use crate::machine::commands::{
    AddTargetDc, CreateLease, ManagerMode, Refusal, ReleaseGateLeadership, ReleaseLease, SetDcResult,
    SetFenceToken, SetJob, UpdateDcManager, Why,
};
use crate::machine::{Dc, GateJob, Record, Standing};

pub(super) struct RouteDuty {
    gate: Gate,
}

impl RouteDuty {
    pub(super) const fn new(gate: Gate) -> Self {
        Self { gate }
    }
}

impl Reconciler<GateJob> for RouteDuty {
    fn name(&self) -> &'static str {
        "route"
    }

    fn reconcile<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Next> {
        async move { settled(self.route(job).await) }.boxed()
    }
}

impl RouteDuty {
    async fn route(&self, job: &Job) -> Result<Next, Next> {
        let Some(record) = routable(job) else { return Ok(Next::Idle) };
        let unleased = unleased(job);
        if !unleased.is_empty() {
            let entry = match record.status {
                JobStatus::Submitted => with_dispatching(entry(job), record.record_version),
                _ => Ok(entry(job)),
            };
            let entry = entry.and_then(|entry| with_leases(entry, &self.gate, &unleased));
            let entry = entry.map_err(|error| unencodable(&error))?;
            commit(job, "lease", entry).await?;
            return Ok(Next::Again);
        }
        let waiting: Vec<&str> = waiting(job, |dc| !dc.has_accepted());
        let nexts = join_all(waiting.into_iter().map(|dc| self.hand_over(job, dc))).await;
        Ok(nexts.into_iter().fold(Next::Idle, sooner))
    }

    async fn hand_over(&self, job: &Job, name: &str) -> Next {
        let state = &job.view.state;
        let Some(call) = state.dc(name).and_then(|dc| submission(job, name, dc)) else { return Next::Idle };
        crash_point("gate.leased");
        let built = match ask_datacenter(&self.gate, (state, name), &call).await {
            Asked::Reply(reply) => Some(taken(job, name, reply)),
            Asked::Said(error) => after_word(job, name, error),
            Asked::Silence => None,
        };
        match built {
            Some(built) => settled(finish_step(job, built).await),
            None => Next::After(RETRY_AFTER),
        }
    }
}

/// The first leases of a job make it `dispatching`.
pub(crate) fn with_dispatching(entry: Entry, record_version: u64) -> Result<Entry, CodecError> {
    entry.with(&SetJob::at(record_version).to(JobStatus::Dispatching, "handed to its datacenters"))
}

/// Leases of these datacenters for this gate, all in the one entry.
pub(crate) fn with_leases(mut entry: Entry, gate: &Gate, dcs: &[&str]) -> Result<Entry, CodecError> {
    let expires_at_ms = entry.at_ms + gate.config.lease.as_millis() as u64;
    let dc_lost_timeout_ms = gate.config.dc_lost_timeout.as_millis() as u64;
    for dc in dcs {
        let (dc, holder) = ((*dc).to_owned(), gate.coordinator.me());
        entry.push(&CreateLease { dc, holder, expires_at_ms, dc_lost_timeout_ms })?;
    }
    Ok(entry)
}

async fn finish_step(job: &Job, built: Result<Entry, CodecError>) -> Result<Next, Next> {
    let entry = built.map_err(|error| unencodable(&error))?;
    crash_point("gate.submitted");
    commit(job, "route", entry).await?;
    crash_point("gate.dc_known");
    Ok(Next::Again)
}

/// The record of a job that this gate may hand to datacenters.
fn routable(job: &Job) -> Option<&Record> {
    let record = job.view.state.record.as_ref()?;
    let closed = record.status.is_terminal() || record.status == JobStatus::Cancelling;
    (acts(job) && !closed).then_some(record)
}

/// Targets that are to run the job and have not ended it, for which more is to do.
pub(super) fn waiting(job: &Job, needs: impl Fn(&Dc) -> bool) -> Vec<&str> {
    let state = &job.view.state;
    let open = |dc: &Dc| dc.result.is_none() && !dc.stopped && dc.standing == Standing::Target;
    let names = state.targets.primaries.iter().map(String::as_str);
    names.filter(|name| state.dc(name).is_some_and(|dc| open(dc) && needs(dc))).collect()
}

/// Targets that need a lease: they have none of this token, or it ends before they have taken the job.
fn unleased(job: &Job) -> Vec<&str> {
    let (token, now_ms) = (job.token(), job.now_ms());
    waiting(job, |dc| {
        let held = dc.lease.as_ref().is_some_and(|lease| lease.gate_token == token);
        let is_live = dc.live_lease(token, now_ms).is_some();
        !held || (!is_live && !dc.has_accepted())
    })
}

fn submission(job: &Job, name: &str, dc: &Dc) -> Option<SubmitJob> {
    let submitted = job.view.state.submission.as_ref()?;
    Some(SubmitJob {
        job: job.job,
        digest: submitted.digest,
        spec: submitted.spec.clone(),
        gate: job.me.clone(),
        gate_token: job.token(),
        dc_token: dc.token,
        lease_expires_ms: dc.lease.as_ref()?.expires_at_ms,
        forwarded: false,
        siblings: siblings(job, name),
    })
}

/// Who leads the job in the other datacenters that run it.
fn siblings(job: &Job, name: &str) -> Vec<Sibling> {
    let others = job.view.state.dcs.iter().filter(|(other, dc)| *other != name && dc.may_run());
    let known = others.filter_map(|(other, dc)| {
        let manager = dc.manager.as_ref()?;
        let (datacenter, node) = (other.clone(), manager.node.clone());
        Some(Sibling { datacenter, manager: node, manager_token: manager.token, dc_token: dc.token })
    });
    known.collect()
}

fn taken(job: &Job, name: &str, reply: SubmitReply) -> Result<Entry, CodecError> {
    let dc = job.view.state.dc(name);
    let known = dc.and_then(|dc| dc.manager.as_ref());
    let dc_token = dc.map(|dc| dc.token).unwrap_or_default();
    let SubmitReply { manager, manager_token, .. } = reply;
    let is_change = known.is_some_and(|known| (known.token, &known.node) != (manager_token, &manager));
    let mode = if is_change { ManagerMode::Transfer } else { ManagerMode::Assign };
    entry(job).with(&UpdateDcManager { dc: name.to_owned(), dc_token, manager, manager_token, mode })
}

/// The refusal is recorded; the next datacenter that stands by takes its place.
fn refused(job: &Job, name: &str, why: String) -> Result<Entry, CodecError> {
    let state = &job.view.state;
    let version = state.record.as_ref().map_or(0, |record| record.record_version);
    let refused = Some(Refusal { dc: name.to_owned(), why });
    let entry = entry(job).with(&SetJob { refused, ..SetJob::at(version) })?;
    let entry = entry.with(&ReleaseLease { dc: name.to_owned(), holder: job.me.clone() })?;
    match state.targets.fallbacks.front() {
        Some(next) => {
            entry.with(&AddTargetDc { dc: next.clone(), replaces: Some(name.to_owned()), why: Why::Refused })
        }
        None => Ok(entry),
    }
}

/// What follows from a datacenter's own word; `None`: ask again.
fn after_word(job: &Job, name: &str, error: RpcError) -> Option<Result<Entry, CodecError>> {
    match error {
        RpcError::Refused { why } => Some(refused(job, name, why)),
        RpcError::Gone { status } => Some(ended_there(job, name, status)),
        RpcError::Fenced { by } => (by > job.token()).then(|| overtaken(job, by)),
        _ => None,
    }
}

/// The datacenter has heard of a higher token than this group ever gave: the group was restored from an older state. The
/// leadership is given back with a floor, and taken anew above it.
fn overtaken(job: &Job, by: Token) -> Result<Entry, CodecError> {
    tracing::error!(job = %job.job, %by, "a datacenter knows a higher token than this job's group: raising it");
    let release = ReleaseGateLeadership { node: job.me.clone(), successor: None };
    entry(job).with(&release)?.with(&SetFenceToken { token: by })
}

/// The datacenter remembers only how the job ended.
pub(super) fn ended_there(job: &Job, name: &str, status: JobStatus) -> Result<Entry, CodecError> {
    let dc_token = job.view.state.dc(name).map(|dc| dc.token).unwrap_or_default();
    let status = if status == JobStatus::Void { JobStatus::Failed } else { status };
    let reason = Some(format!("the datacenter remembers the job only as {status}"));
    let result = DcResult {
        status,
        reason,
        context: Default::default(),
        errors: Vec::new(),
        stats: Default::default(),
        context_version: 0,
    };
    entry(job).with(&SetDcResult { dc: name.to_owned(), dc_token, result })
}
