//! `SubmitJob`: the job gets its group and its record; the repeat of a known job answers its state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use muster_consensus::directory::{RegisterJob, Registered};
use muster_consensus::{Consistency, View};
use muster_machine::{Machine as _, Reason};
use muster_runtime::crash_point;
use muster_swim::State;
use muster_wire::job::{Digest, JobStatus};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::{Sibling, SubmitJob, SubmitReply};
use muster_wire::spec::JobSpec;
use muster_wire::{JobId, MemberNumber, NodeRef, Role, Token, WorkflowIx};

use crate::draft::{Draft, Pushed};
use crate::machine::commands::{
    AssumeJobLeadership, CreateJob, RegisterWorkflow, TrackRemoteJob, TrackScope,
};
use crate::machine::{JobRecord, ManagerJob, Remote};
use crate::shared::{Committed, PROPOSE_WITHIN, Shared};

/// What clocks of gates and managers may differ, milliseconds.
const CLOCK_ALLOWANCE_MS: u64 = 10_000;
/// The call of a manager that does not lead the job.
const FORWARD_WITHIN: Duration = Duration::from_secs(8);
/// Drafts made anew because the state had moved on.
const TRIES_MAX: usize = 4;
/// How long a group in creation is waited for.
const LED_WITHIN: Duration = Duration::from_secs(3);

/// What is submitted, by a gate or by a client of a datacenter without gates.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    /// The job.
    pub job: JobId,
    /// Idempotency key of a client.
    pub key: Option<String>,
    /// Of the submission's body.
    pub digest: Digest,
    /// What to run.
    pub spec: JobSpec,
    /// The gate that leads the job, with its tokens.
    pub gate: Option<Remote>,
    /// Who leads the job in other datacenters.
    pub siblings: Vec<Sibling>,
}

/// The job is in this datacenter.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    /// Its state.
    pub view: View<ManagerJob>,
    /// Its leader here.
    pub manager: NodeRef,
}

pub(super) async fn submit(shared: Arc<Shared>, call: SubmitJob) -> Result<SubmitReply, RpcError> {
    ensure_lease(&shared, &call)?;
    let submission = submission(&call);
    let (registered, founded) = register(&shared, &submission).await?;
    check_registered(registered)?;
    if let Some(founded) = founded {
        return created(founded);
    }
    match leader_elsewhere(&shared, call.job).await? {
        Some(leader) => forward(&shared, call, &leader).await,
        None => created(accept(&shared, &submission).await?),
    }
}

fn created(accepted: Accepted) -> Result<SubmitReply, RpcError> {
    crash_point("manager.created");
    reply(accepted)
}

/// A manager that knows the job asks nothing; one that does not refuses an expired lease, so that a forgotten job
/// cannot be submitted again.
fn ensure_lease(shared: &Shared, call: &SubmitJob) -> Result<(), RpcError> {
    let known = shared.coordinator.directory().job(call.job).is_some();
    let until_ms = call.lease_expires_ms.saturating_add(CLOCK_ALLOWANCE_MS);
    match known || shared.clock.unix_ms() <= until_ms {
        true => Ok(()),
        false => Err(RpcError::Refused { why: "the lease has expired".into() }),
    }
}

fn submission(call: &SubmitJob) -> Submission {
    let gate = Remote { leader: call.gate.clone(), remote_token: call.gate_token, dc_token: call.dc_token };
    let (job, spec, siblings) = (call.job, call.spec.clone(), call.siblings.clone());
    Submission { job, key: None, digest: call.digest, spec, gate: Some(gate), siblings }
}

/// Looks the job up here first; a lookup costs nothing, a registration is a write.
async fn register(
    shared: &Shared,
    submission: &Submission,
) -> Result<(Registered, Option<Accepted>), RpcError> {
    let directory = shared.coordinator.directory();
    if let Some(row) = directory.job(submission.job) {
        let digest_equal = row.digest == submission.digest;
        return Ok((Registered::Known { job: row.job, group: row.group, digest_equal }, None));
    }
    found(shared, submission).await
}

/// Registers the job; the group of a new one begins with its submission. With it the job, if it is known to be there.
async fn found(shared: &Shared, submission: &Submission) -> Result<(Registered, Option<Accepted>), RpcError> {
    let entry = bundle(shared, &View::unborn(submission.job), submission)?.into_entry();
    let job = registration(shared, submission, None);
    let registered = shared.coordinator.found(job, &entry, PROPOSE_WITHIN).await?;
    let view = shared.coordinator.founded(submission.job, registered, PROPOSE_WITHIN).await;
    let view = view.filter(|view| bundle(shared, view, submission).is_ok_and(|left| left.is_empty()));
    Ok((registered, view.map(|view| accepted(shared, view)).transpose()?))
}

/// The registration of a job; `retired` makes only its tombstone.
pub(super) fn registration(
    shared: &Shared,
    submission: &Submission,
    retired: Option<JobStatus>,
) -> RegisterJob {
    RegisterJob {
        job: submission.job,
        key: submission.key.clone(),
        digest: submission.digest,
        name: submission.spec.name.clone(),
        labels: submission.spec.labels.clone(),
        proposer: shared.me().member,
        avoid: avoided(shared),
        replication: shared.replication,
        retired,
        opening: None,
    }
}

/// Managers that membership holds dead.
pub(super) fn avoided(shared: &Shared) -> Vec<MemberNumber> {
    let members = shared.swim.snapshot();
    let managers = members.iter().filter(|member| member.meta.role == Role::Manager);
    let here = managers.filter(|member| member.meta.dc == shared.datacenter);
    let gone = here.filter(|member| matches!(member.state, State::Dead | State::Left));
    gone.map(|member| member.meta.member).filter(|number| *number != MemberNumber(0)).collect()
}

fn check_registered(registered: Registered) -> Result<(), RpcError> {
    match registered {
        Registered::New { .. } | Registered::Known { digest_equal: true, .. } => Ok(()),
        Registered::Known { digest_equal: false, .. } => {
            Err(RpcError::Refused { why: "the job is known here with another body".into() })
        }
        Registered::Gone { status, .. } => Err(RpcError::Gone { status }),
    }
}

/// Waits until somebody leads the group; `None`: this node.
async fn leader_elsewhere(shared: &Shared, job: JobId) -> Result<Option<NodeRef>, RpcError> {
    let leader = shared.coordinator.await_leader(job, LED_WITHIN).await;
    let leader = leader.ok_or(RpcError::NotLeader { leader: None })?;
    Ok(Some(leader).filter(|leader| *leader != shared.me()))
}

async fn forward(shared: &Shared, call: SubmitJob, leader: &NodeRef) -> Result<SubmitReply, RpcError> {
    match call.forwarded {
        true => Err(RpcError::NotLeader { leader: Some(Box::new(leader.clone())) }),
        false => pass_on(shared, leader, &SubmitJob { forwarded: true, ..call }).await,
    }
}

/// Calls the leader in the caller's stead.
pub(super) async fn pass_on<C: muster_wire::rpc::Call>(
    shared: &Shared,
    leader: &NodeRef,
    call: &C,
) -> Result<C::Reply, RpcError> {
    let answer = shared.links.call_node(leader, call, FORWARD_WITHIN).await;
    answer.map_err(|error| match error {
        muster_link::CallError::Rpc(error) => error,
        muster_link::CallError::Busy => RpcError::Busy { retry_after_ms: 200 },
        other => RpcError::Unknown { why: format!("{} did not answer: {other}", leader.name) },
    })
}

/// What a submission without a gate came to.
#[derive(Debug)]
pub(crate) enum Direct {
    /// The job is new.
    New(Box<Accepted>),
    /// Its key and body were known.
    Replayed {
        /// The first job.
        job: JobId,
        /// Its status.
        status: JobStatus,
        /// Its version; 0 when it is purged.
        version: u64,
    },
    /// Its key was used with another body.
    OtherBody,
}

/// Registers and accepts a submission at this node; used where no gate is in between.
pub(crate) async fn submit_directly(shared: &Shared, mut submission: Submission) -> Result<Direct, RpcError> {
    let (registered, founded) = found(shared, &submission).await?;
    match registered {
        Registered::New { .. } => {
            led_here(shared, &submission, founded).await.map(|new| Direct::New(Box::new(new)))
        }
        Registered::Gone { job, status, .. } => Ok(Direct::Replayed { job, status, version: 0 }),
        Registered::Known { digest_equal: false, .. } => Ok(Direct::OtherBody),
        Registered::Known { job, .. } => {
            submission.job = job;
            led_here(shared, &submission, None).await.and_then(replayed)
        }
    }
}

async fn led_here(
    shared: &Shared,
    submission: &Submission,
    founded: Option<Accepted>,
) -> Result<Accepted, RpcError> {
    if let Some(founded) = founded {
        return Ok(founded);
    }
    match leader_elsewhere(shared, submission.job).await? {
        Some(leader) => Err(RpcError::NotLeader { leader: Some(Box::new(leader)) }),
        None => accept(shared, submission).await,
    }
}

fn replayed(accepted: Accepted) -> Result<Direct, RpcError> {
    let record = accepted.view.state.record().ok_or(RpcError::UnknownJob)?;
    Ok(Direct::Replayed { job: record.job(), status: record.status(), version: record.version() })
}

async fn accept(shared: &Shared, submission: &Submission) -> Result<Accepted, RpcError> {
    let look = |how| shared.coordinator.read(submission.job, how, PROPOSE_WITHIN);
    for _ in 0..TRIES_MAX {
        let view = look(Consistency::Linearizable).await?;
        check_known(&view, submission)?;
        let draft = bundle(shared, &view, submission)?;
        match shared.commit(submission.job, draft).await {
            // What is committed here is applied here.
            Committed::Done(_) => return accepted(shared, look(Consistency::Stale).await?),
            Committed::Nothing => return accepted(shared, view),
            Committed::Undone(_) => {}
            Committed::Failed(error) => return Err(error.into()),
        }
    }
    Err(RpcError::Busy { retry_after_ms: 100 })
}

fn check_known(view: &View<ManagerJob>, submission: &Submission) -> Result<(), RpcError> {
    if let Some(tombstone) = view.state.retired() {
        return Err(RpcError::Gone { status: tombstone.status });
    }
    let gate_known = view.state.record().and_then(JobRecord::gate).map_or(Token(0), |gate| gate.remote_token);
    match submission.gate.as_ref().is_none_or(|gate| gate.remote_token >= gate_known) {
        true => Ok(()),
        false => Err(fenced(gate_known)),
    }
}

/// The caller's gate token is below the one known here.
pub(super) fn fenced(by: Token) -> RpcError {
    metrics::counter!("muster_fenced_total", "at" => "manager").increment(1);
    RpcError::Fenced { by }
}

/// One entry: the job, the gate's tokens, the leadership, the workflows. What is so already is left out.
fn bundle(shared: &Shared, view: &View<ManagerJob>, submission: &Submission) -> Result<Draft, RpcError> {
    let now_ms = shared.clock.unix_ms();
    let assumes = view.state.leader().is_none();
    let token = match assumes {
        true => view.token().next(),
        false => view.token(),
    };
    let mut draft = Draft::under(submission.job, view, (token, now_ms));
    refuse(&draft.push(&create(shared, submission, now_ms)))?;
    for remote in remotes(submission) {
        refuse(&draft.push(&remote))?;
    }
    if assumes {
        refuse(&draft.push(&AssumeJobLeadership { node: shared.me() }))?;
        register_workflows(&mut draft, submission);
    }
    Ok(draft)
}

fn register_workflows(draft: &mut Draft, submission: &Submission) {
    for workflow in (0..submission.spec.workflows.len()).map(|ix| WorkflowIx(ix as u32)) {
        draft.push(&RegisterWorkflow { workflow });
    }
}

fn refuse(pushed: &Pushed) -> Result<(), RpcError> {
    match pushed {
        Pushed::At(_) | Pushed::Same | Pushed::Refused(Reason::Stale) => Ok(()),
        Pushed::Refused(Reason::NotYet) => Err(RpcError::NotLeader { leader: None }),
        Pushed::Refused(reason) => Err(RpcError::Refused { why: reason.to_string() }),
    }
}

fn create(shared: &Shared, submission: &Submission, now_ms: u64) -> CreateJob {
    CreateJob {
        spec: submission.spec.clone(),
        digest: submission.digest,
        datacenter: shared.datacenter.clone(),
        deadline_ms: now_ms.saturating_add(submission.spec.timeout_ms),
    }
}

fn track(gate: &Remote) -> TrackRemoteJob {
    TrackRemoteJob {
        scope: TrackScope::Gate,
        leader: gate.leader.clone(),
        remote_token: gate.remote_token,
        dc_token: gate.dc_token,
    }
}

/// Who leads the job at the gates and in sibling datacenters.
fn remotes(submission: &Submission) -> impl Iterator<Item = TrackRemoteJob> {
    submission.gate.iter().map(track).chain(submission.siblings.iter().map(track_sibling))
}

fn track_sibling(sibling: &Sibling) -> TrackRemoteJob {
    TrackRemoteJob {
        scope: TrackScope::Datacenter(sibling.datacenter.clone()),
        leader: sibling.manager.clone(),
        remote_token: sibling.manager_token,
        dc_token: sibling.dc_token,
    }
}

fn accepted(shared: &Shared, view: View<ManagerJob>) -> Result<Accepted, RpcError> {
    let manager = view.state.leader().cloned().ok_or(RpcError::NotLeader { leader: None })?;
    shared.poke(view.state.job());
    Ok(Accepted { view, manager })
}

fn reply(accepted: Accepted) -> Result<SubmitReply, RpcError> {
    let status = accepted.view.state.status().ok_or(RpcError::UnknownJob)?;
    Ok(SubmitReply { manager: accepted.manager, manager_token: accepted.view.token(), status })
}

/// A job of which only the id is known.
pub(super) fn nameless(job: JobId) -> Submission {
    let spec = JobSpec {
        name: String::new(),
        timeout_ms: 0,
        datacenters: Vec::new(),
        datacenter_count: 1,
        require: muster_wire::spec::Require::All,
        on_workflow_failure: muster_wire::spec::OnWorkflowFailure::Fail,
        on_lost: muster_wire::spec::OnLost::Retry,
        on_dc_lost: muster_wire::spec::OnDcLost::Wait,
        retention_ms: 0,
        priority: 0,
        labels: BTreeMap::new(),
        context: BTreeMap::new(),
        workflows: Vec::new(),
    };
    Submission { job, key: None, digest: Digest([0; 32]), spec, gate: None, siblings: Vec::new() }
}
