//! The cancel part of `set_job`: the order, its confirmations, and explicit refusals of datacenters.

use std::sync::Arc;

use muster_machine::{Reason, Stamp};
use muster_wire::job::{CancelOrder, CancelScope, JobStatus};

use super::{CancelConfirmed, Refusal, WORKFLOW_CANCELS_MAX, status};
use crate::machine::commands::ensure;
use crate::machine::state::{GateJob, Settled};
use crate::machine::{Standing, What};

/// Commits a cancel: `cancelling` for the whole job, a note for some workflows.
pub(super) fn order(job: &mut GateJob, order: Option<CancelOrder>, stamp: Stamp) -> Result<bool, Reason> {
    let Some(order) = order else { return Ok(false) };
    match &order.scope {
        CancelScope::Job => stop_job(job, order, stamp),
        CancelScope::Workflows(_) => stop_workflows(job, order, stamp),
    }
}

fn stop_job(job: &mut GateJob, order: CancelOrder, stamp: Stamp) -> Result<bool, Reason> {
    if job.is_cancelling() {
        return Ok(false);
    }
    let settled = Settled {
        reason: format!("cancelled by {}: {}", order.requester, order.reason),
        ..Settled::default()
    };
    status::move_to(job, Some(status::Move { to: JobStatus::Cancelling, settled }), stamp)?;
    job.record_mut()?.cancel = Some(Arc::new(order));
    Ok(true)
}

fn stop_workflows(job: &mut GateJob, order: CancelOrder, stamp: Stamp) -> Result<bool, Reason> {
    check_workflows(job, &order.scope)?;
    let record = job.record_mut()?;
    let status = record.status;
    ensure(!status.is_terminal(), || Reason::AlreadyTerminal { status })?;
    if record.workflow_cancels.iter().any(|known| known.scope == order.scope) {
        return Ok(false);
    }
    let room = record.workflow_cancels.len() < WORKFLOW_CANCELS_MAX;
    ensure(room, || Reason::LimitReached { what: "workflow cancels".into() })?;
    let reason = format!("workflows cancelled by {}: {}", order.requester, order.reason);
    record.workflow_cancels.push_back(Arc::new(order));
    job.note(What::Status { reason }, stamp);
    Ok(true)
}

fn check_workflows(job: &GateJob, scope: &CancelScope) -> Result<(), Reason> {
    let CancelScope::Workflows(workflows) = scope else { return Ok(()) };
    let spec = job.spec().ok_or(Reason::UnknownJob)?;
    let known = !workflows.is_empty() && workflows.iter().all(|ix| spec.workflow(*ix).is_some());
    ensure(known, || Reason::malformed("no such workflow"))
}

/// A datacenter has confirmed a cancel.
pub(super) fn confirm(
    job: &mut GateJob,
    said: Option<CancelConfirmed>,
    stamp: Stamp,
) -> Result<bool, Reason> {
    let Some(said) = said else { return Ok(false) };
    let dc = job.known_dc(&said.dc)?;
    let is_known = match said.workflow_cancel {
        Some(ix) => dc.confirmed.insert(ix).is_some(),
        None => std::mem::replace(&mut dc.stopped, true),
    };
    if is_known {
        return Ok(false);
    }
    dc.heard_at_ms = stamp.at_ms;
    job.note_errors(said.errors);
    job.note(What::Status { reason: format!("cancel confirmed by {}", said.dc) }, stamp);
    Ok(true)
}

/// A datacenter has said that it will not run the job.
pub(super) fn refuse(job: &mut GateJob, said: Option<Refusal>, stamp: Stamp) -> Result<bool, Reason> {
    let Some(Refusal { dc: name, why }) = said else { return Ok(false) };
    let dc = job.known_dc(&name)?;
    if matches!(dc.standing, Standing::Refused { .. }) {
        return Ok(false);
    }
    ensure(dc.manager.is_none(), || Reason::not_allowed(format!("{name} runs the job already")))?;
    dc.standing = Standing::Refused { why: why.clone() };
    dc.stopped = true;
    let reason = format!("{name} refused: {why}");
    job.note_errors([reason.clone()]);
    job.note(What::Status { reason }, stamp);
    Ok(true)
}
