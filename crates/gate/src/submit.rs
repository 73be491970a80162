//! Accepts a submission: the directory takes it with the registration, and the job's group is born with it afterwards.
//!
//! ```text
//!   register ─┬─ new, opened ───────────────────────────────▶ 201
//!             ├─ new, no room for its opening ─▶ bundle ────▶ 201
//!             ├─ known, same body ─▶ read ─┬─ submitted ────▶ 200, replayed; 201 if it is this request's own job
//!             │                            └─ not yet ──────▶ bundle with this body
//!             ├─ gone ──────────────▶ 200 from the directory; void: once more, as another job
//!             └─ another body ──────▶ 409
//! ```

use std::time::Duration;

use muster_consensus::{Consistency, ProposeError, RegisterJob, Registered, View};
use muster_machine::{Entry, EntryReply, Reason, Replica};
use muster_node::http::{Answer, Problem};
use muster_runtime::{Backoff, crash_point, random};
use muster_swim::State;
use muster_wire::api::Submitted;
use muster_wire::job::JobStatus;
use muster_wire::{CodecError, GroupId, JobId, MemberNumber, Token};

use crate::admission::Admitted;
use crate::gate::Gate;
use crate::machine::GateJob;
use crate::machine::commands::{
    AssumeGateLeadership, JobVersions, SetFenceToken, SetJob, SetJobSubmission, SetTargetDcs,
};
use crate::reconcile::{with_dispatching, with_leases};

/// The record's version, and that of the API, once it is created.
const CREATED: u64 = 1;
/// How often one request tries before it says that it does not know.
const TRIES_MAX: u32 = 8;

/// A submission's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Accepted {
    /// Its job was made by this request.
    New(Submitted),
    /// It had been accepted before.
    Replayed(Submitted),
}

/// What one step of a submission came to.
enum Step {
    Done(Accepted),
    /// Ask the directory again, for another job.
    Again,
    /// Ask again, and say this if there is no time left.
    Unsure(Problem),
}

impl Step {
    /// A job that an earlier try of this request has made is new to the client.
    fn made_here(self, mine: bool) -> Self {
        match self {
            Self::Done(Accepted::Replayed(submitted)) if mine => Self::Done(Accepted::New(submitted)),
            other => other,
        }
    }
}

/// Accepts a submission. Repeats of a key are safe at any gate, at any time: one that takes long is answered before the
/// client gives up on this gate.
pub async fn submit(gate: &Gate, admitted: &Admitted) -> Answer<Accepted> {
    let late =
        |_| Problem::unavailable("no_quorum", "not accepted in time; repeat with the same idempotency key");
    let tried = tokio::time::timeout(gate.config.request_timeout * 3 / 2, try_often(gate, admitted));
    tried.await.map_err(late)?
}

async fn try_often(gate: &Gate, admitted: &Admitted) -> Answer<Accepted> {
    let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
    let mut problem = Problem::unavailable("no_quorum", "the job could not be registered in time; ask again");
    // One id for all tries: a try whose answer was lost may have made the job.
    let mut job = new_id(gate);
    while backoff.tries() < TRIES_MAX {
        match attempt(gate, admitted, job).await.or_else(unless_worth_a_retry)? {
            Step::Done(accepted) => return Ok(accepted),
            Step::Again => job = new_id(gate),
            Step::Unsure(why) => problem = why,
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
    Err(problem)
}

/// Why a step failed: by replication, or for good.
enum Failed {
    Propose(ProposeError),
    Answer(Problem),
}

impl From<ProposeError> for Failed {
    fn from(error: ProposeError) -> Self {
        Self::Propose(error)
    }
}

impl From<CodecError> for Failed {
    fn from(error: CodecError) -> Self {
        Self::Answer(Problem::internal(error.to_string()))
    }
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Propose(error) => error.into(),
            Failed::Answer(problem) => problem,
        }
    }
}

/// The bundle is idempotent by its content, so an unknown outcome is simply tried again.
fn unless_worth_a_retry(failed: Failed) -> Answer<Step> {
    let unsure = matches!(
        failed,
        Failed::Propose(ProposeError::Unknown | ProposeError::NotLeader { .. } | ProposeError::NotServing)
    );
    match unsure {
        true => Ok(Step::Unsure(failed.into())),
        false => Err(failed.into()),
    }
}

async fn attempt(gate: &Gate, admitted: &Admitted, job: JobId) -> Result<Step, Failed> {
    let opening = bundle_entry(gate, admitted, (job, Token(1), true))?;
    ensure_taken(job, &opening)?;
    let call = registration(gate, admitted, job);
    match gate.coordinator.found(call, &opening, gate.config.request_timeout).await? {
        Registered::New { opened, .. } => begun(gate, admitted, (job, opened)).await,
        Registered::Known { job: known, digest_equal: true, .. } => {
            resume(gate, admitted, known).await.map(|step| step.made_here(known == job))
        }
        Registered::Gone { status: JobStatus::Void, .. } => Ok(Step::Again),
        Registered::Gone { job, status, digest_equal: true } => Ok(Step::Done(purged(job, status))),
        Registered::Known { job, .. } | Registered::Gone { job, .. } => Err(Failed::Answer(other_body(job))),
    }
}

/// A new job: with the directory's word for its opening it is accepted.
async fn begun(gate: &Gate, admitted: &Admitted, (job, opened): (JobId, bool)) -> Result<Step, Failed> {
    if !opened {
        return bundle(gate, admitted, (job, Token(1))).await;
    }
    crash_point("gate.accepted");
    Ok(Step::Done(Accepted::New(answer(job, JobStatus::Submitted, CREATED))))
}

/// An empty group takes the opening: the answer goes out before any replica applies it.
fn ensure_taken(job: JobId, opening: &Entry) -> Result<(), Failed> {
    let bytes = opening.encode().map_err(|error| Failed::Answer(Problem::internal(error.to_string())))?;
    let reply = Replica::<GateJob>::born(GroupId(0), job).apply(1, &bytes);
    let reply = reply.map_err(|error| Failed::Answer(Problem::internal(error.to_string())))?;
    reply.rejection().map_or(Ok(()), |reason| Err(refused(reason)))
}

fn new_id(gate: &Gate) -> JobId {
    JobId::new(gate.clock.unix_ms(), random::bits128())
}

fn registration(gate: &Gate, admitted: &Admitted, job: JobId) -> RegisterJob {
    RegisterJob {
        job,
        key: admitted.key.clone(),
        digest: admitted.digest,
        name: admitted.spec.name.clone(),
        labels: admitted.spec.labels.clone(),
        proposer: gate.coordinator.me().member,
        avoid: held_dead(gate),
        replication: gate.config.replication,
        retired: None,
        opening: None,
    }
}

fn held_dead(gate: &Gate) -> Vec<MemberNumber> {
    let directory = gate.coordinator.directory();
    let members = gate.swim.snapshot();
    let dead = members.iter().filter(|member| member.state == State::Dead);
    dead.filter_map(|member| directory.member_by_node(member.id).map(|row| row.number)).collect()
}

/// A key that is known: its job was submitted, or its first gate died before that.
async fn resume(gate: &Gate, admitted: &Admitted, job: JobId) -> Result<Step, Failed> {
    let view = match gate.read(job, Consistency::Linearizable).await {
        Err(ProposeError::Gone { status }) => return Ok(gone(job, status)),
        other => other?,
    };
    match (view.state.tombstone, &view.state.submission) {
        (Some(retired), _) => Ok(gone(job, retired.status)),
        (None, Some(_)) => Ok(Step::Done(replayed(&view))),
        (None, None) => bundle(gate, admitted, (job, view.state.leadership.next_token())).await,
    }
}

/// A void registration is no job: its key is free soon.
fn gone(job: JobId, status: JobStatus) -> Step {
    match status {
        JobStatus::Void => Step::Again,
        _ => Step::Done(purged(job, status)),
    }
}

/// One entry; only its commit lets an answer out.
async fn bundle(gate: &Gate, admitted: &Admitted, (job, token): (JobId, Token)) -> Result<Step, Failed> {
    let leads = gate.coordinator.leader(job).as_ref() == Some(&gate.coordinator.me());
    let entry = bundle_entry(gate, admitted, (job, token, leads))?;
    let reply = match gate.propose(job, entry).await {
        Err(ProposeError::Gone { status: JobStatus::Void }) => return Ok(Step::Again),
        other => other?,
    };
    crash_point("gate.accepted");
    match reply.rejection() {
        None => Ok(Step::Done(accepted(job, &reply))),
        Some(Reason::Gone { status: JobStatus::Void }) => Ok(Step::Again),
        Some(reason) => settle_refused(gate, admitted, (job, reason)).await,
    }
}

/// Where this gate's replica leads, it becomes the job's leader and leases the job's datacenters with the same entry;
/// elsewhere the leader's own driver does both.
fn bundle_entry(
    gate: &Gate,
    admitted: &Admitted,
    (job, token, leads): (JobId, Token, bool),
) -> Result<Entry, CodecError> {
    let first = admitted.fence_floor.map_or(token, |floor| token.max(floor.next()));
    let token = if leads { first } else { Token(0) };
    let (spec, digest, key) = (admitted.spec.clone(), admitted.digest, admitted.key.clone());
    let targets = SetTargetDcs { dcs: admitted.choice.dcs.clone(), wanted: admitted.choice.wanted };
    let entry = gate.entry(job, token).with(&SetJob::creation())?;
    let mut entry = entry.with(&SetJobSubmission { spec, digest, key })?.with(&targets)?;
    if let Some(token) = admitted.fence_floor {
        entry.push(&SetFenceToken { token })?;
    }
    if !leads {
        return Ok(entry);
    }
    let entry =
        with_dispatching(entry.with(&AssumeGateLeadership { node: gate.coordinator.me() })?, CREATED)?;
    with_leases(entry, gate, &admitted.choice.primaries().collect::<Vec<_>>())
}

fn accepted(job: JobId, reply: &EntryReply) -> Accepted {
    let (status, version) = reply
        .reply::<JobVersions>(0)
        .map_or((JobStatus::Submitted, CREATED), |versions| (versions.status, versions.version));
    Accepted::New(answer(job, status, version))
}

/// Another gate may have been quicker with the same body.
async fn settle_refused(
    gate: &Gate,
    admitted: &Admitted,
    (job, reason): (JobId, &Reason),
) -> Result<Step, Failed> {
    let view = gate.read(job, Consistency::Linearizable).await?;
    let known = view.state.submission.as_ref().map(|submission| submission.digest);
    match known {
        Some(digest) if digest == admitted.digest => Ok(Step::Done(replayed(&view))),
        Some(_) => Err(Failed::Answer(other_body(job))),
        None => Err(refused(reason)),
    }
}

fn refused(reason: &Reason) -> Failed {
    Failed::Answer(Problem::conflict("conflict", format!("the submission was refused: {reason}")))
}

fn other_body(job: JobId) -> Problem {
    let detail =
        format!("this idempotency key belongs to job {job}, submitted with another body; use a new key");
    Problem::conflict("conflict", detail)
}

fn replayed(view: &View<GateJob>) -> Accepted {
    let record = view.state.record.as_ref();
    let (status, version) =
        record.map_or((JobStatus::Submitted, 0), |record| (record.status, record.version));
    Accepted::Replayed(answer(view.state.job, status, version))
}

fn purged(job: JobId, status: JobStatus) -> Accepted {
    Accepted::Replayed(answer(job, status, 0))
}

fn answer(id: JobId, status: JobStatus, version: u64) -> Submitted {
    Submitted { id, status, version, url: format!("/v1/jobs/{id}") }
}
