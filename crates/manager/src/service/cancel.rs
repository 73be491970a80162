//! `CancelJob`: committed before anything is stopped. A job that is not known here never starts here.

use std::collections::BTreeSet;
use std::sync::Arc;

use muster_consensus::directory::Registered;
use muster_consensus::{Consistency, View};
use muster_machine::Machine as _;
use muster_wire::job::{CancelScope, JobStatus};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::{CancelJob, CancelReply};
use muster_wire::{JobId, NodeRef, Token};

use super::submit::{fenced, nameless, pass_on, registration};
use crate::draft::{Draft, Pushed};
use crate::machine::commands::{CompleteJob, InitiateCancellation, WithoutJob};
use crate::machine::{JobRecord, ManagerJob};
use crate::settle::{settle_job, settle_workflows};
use crate::shared::{Committed, PROPOSE_WITHIN, Shared};

/// Drafts made anew because the state had moved on.
const TRIES_MAX: usize = 4;

pub(crate) async fn cancel(shared: Arc<Shared>, call: CancelJob) -> Result<CancelReply, RpcError> {
    let directory = shared.coordinator.directory();
    if let Some(tombstone) = directory.tombstone(call.job) {
        return Ok(gone(tombstone.status));
    }
    match (directory.job(call.job).is_some(), is_of_the_job(&call)) {
        (true, _) => cancel_known(&shared, call).await,
        (false, true) => cancel_unknown(&shared, call).await,
        // Its submission is on the way, and the rest of the job is to run: whoever carries the cancel asks again.
        (false, false) => Ok(CancelReply::Cancelling),
    }
}

fn is_of_the_job(call: &CancelJob) -> bool {
    call.order.scope == CancelScope::Job
}

/// What a cancel of a purged job answers.
const fn gone(status: JobStatus) -> CancelReply {
    match status {
        JobStatus::Cancelled | JobStatus::Void => CancelReply::Confirmed { errors: Vec::new() },
        status => CancelReply::AlreadyTerminal { status },
    }
}

/// Its tombstone is registered first, so that a late submission meets `Gone`.
async fn cancel_unknown(shared: &Shared, call: CancelJob) -> Result<CancelReply, RpcError> {
    let tombstone = registration(shared, &nameless(call.job), Some(JobStatus::Cancelled));
    match shared.coordinator.register(tombstone, PROPOSE_WITHIN).await? {
        Registered::New { .. } => Ok(gone(JobStatus::Cancelled)),
        Registered::Gone { status, .. } => Ok(gone(status)),
        Registered::Known { .. } => cancel_known(shared, call).await,
    }
}

async fn cancel_known(shared: &Shared, call: CancelJob) -> Result<CancelReply, RpcError> {
    match leader_elsewhere(shared, call.job)? {
        Some(leader) => forward(shared, call, &leader).await,
        None => cancel_here(shared, &call).await,
    }
}

fn leader_elsewhere(shared: &Shared, job: JobId) -> Result<Option<NodeRef>, RpcError> {
    let leader = shared.coordinator.leader(job).ok_or(RpcError::NotLeader { leader: None })?;
    Ok(Some(leader).filter(|leader| *leader != shared.me()))
}

async fn forward(shared: &Shared, call: CancelJob, leader: &NodeRef) -> Result<CancelReply, RpcError> {
    match call.forwarded {
        true => Err(RpcError::NotLeader { leader: Some(Box::new(leader.clone())) }),
        false => pass_on(shared, leader, &CancelJob { forwarded: true, ..call }).await,
    }
}

async fn cancel_here(shared: &Shared, call: &CancelJob) -> Result<CancelReply, RpcError> {
    for _ in 0..TRIES_MAX {
        let view = shared.coordinator.read(call.job, Consistency::Linearizable, PROPOSE_WITHIN).await?;
        check_gate(&view, call.gate_token)?;
        let draft = draft(shared, &view, call);
        match shared.commit(call.job, draft).await {
            Committed::Nothing => return Ok(answer(shared, &view, call)),
            Committed::Done(_) | Committed::Undone(_) => {}
            Committed::Failed(error) => return Err(error.into()),
        }
    }
    Ok(CancelReply::Cancelling)
}

fn check_gate(view: &View<ManagerJob>, token: Token) -> Result<(), RpcError> {
    let known = view.state.record().and_then(JobRecord::gate).map_or(Token(0), |gate| gate.remote_token);
    match token >= known {
        true => Ok(()),
        false => Err(fenced(known)),
    }
}

fn draft(shared: &Shared, view: &View<ManagerJob>, call: &CancelJob) -> Draft {
    let mut draft = Draft::new(call.job, view, shared.clock.unix_ms());
    match (view.state.record(), is_of_the_job(call)) {
        (None, true) => {
            drop(draft.push(&CompleteJob { acknowledged_by_gate: false, without_job: WithoutJob::Cancelled }))
        }
        (None, false) => {}
        (Some(_), _) => initiate(&mut draft, call),
    }
    draft
}

fn initiate(draft: &mut Draft, call: &CancelJob) {
    if let Pushed::At(_) = draft.push(&InitiateCancellation { order: call.order.clone() }) {
        settle_workflows(draft);
        settle_job(draft);
    }
}

fn answer(shared: &Shared, view: &View<ManagerJob>, call: &CancelJob) -> CancelReply {
    shared.poke(call.job);
    match (view.state.retired(), view.state.record()) {
        (Some(tombstone), _) => gone(tombstone.status),
        (None, Some(record)) => answer_of(record, call),
        (None, None) => CancelReply::Cancelling,
    }
}

fn answer_of(record: &JobRecord, call: &CancelJob) -> CancelReply {
    let status = record.status();
    match (status.is_terminal(), &call.order.scope) {
        (true, scope) => ended(record, scope),
        (false, CancelScope::Workflows(roots)) => answer_for(record, &roots.iter().copied().collect()),
        (false, CancelScope::Job) => CancelReply::Cancelling,
    }
}

fn ended(record: &JobRecord, scope: &CancelScope) -> CancelReply {
    let is_done = (*scope == CancelScope::Job) & (record.status() == JobStatus::Cancelled);
    match is_done {
        true => CancelReply::Confirmed { errors: record.cancel_errors() },
        false => CancelReply::AlreadyTerminal { status: record.status() },
    }
}

fn answer_for(record: &JobRecord, roots: &BTreeSet<muster_wire::WorkflowIx>) -> CancelReply {
    let open =
        record.cancel().is_some_and(|cancel| cancel.pending.iter().any(|key| roots.contains(&key.workflow)));
    match open {
        true => CancelReply::Cancelling,
        false => CancelReply::Confirmed { errors: record.cancel_errors() },
    }
}
