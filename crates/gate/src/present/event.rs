//! What happened to a job.

use muster_wire::WorkflowIx;
use muster_wire::api::{EventKind, JobEvent, JobView};

use super::{job_view, time};
use crate::machine::{Event, GateJob, What};

/// The document of one event.
pub fn event(job: &GateJob, event: &Event) -> JobEvent {
    let blank = blank(event);
    match &event.what {
        What::Status { reason } => JobEvent { reason: Some(reason.clone()), ..blank },
        What::Workflow { dc, workflow, status } => JobEvent {
            datacenter: Some(dc.clone()),
            workflow: name(job, *workflow),
            workflow_status: Some(*status),
            ..blank
        },
        What::Progress { dc, completed, failed, fraction } => JobEvent {
            datacenter: Some(dc.clone()),
            completed: Some(*completed),
            failed: Some(*failed),
            progress: Some(*fraction),
            ..blank
        },
        What::WorkflowResult { dc, workflow, status } => JobEvent {
            datacenter: Some(dc.clone()),
            workflow: name(job, *workflow),
            workflow_status: Some(*status),
            ..blank
        },
        What::DcResult { dc, status } => {
            JobEvent { datacenter: Some(dc.clone()), reason: Some(format!("{status} in {dc}")), ..blank }
        }
        What::Leader { name, .. } => JobEvent { leader: Some(name.clone()), ..blank },
        What::End => JobEvent { job: job_view(job).map(Box::new), ..blank },
    }
}

fn blank(event: &Event) -> JobEvent {
    JobEvent {
        version: event.version,
        kind: event.what.kind(),
        at: time(event.at_ms),
        status: event.status,
        reason: None,
        datacenter: None,
        workflow: None,
        workflow_status: None,
        progress: None,
        completed: None,
        failed: None,
        leader: None,
        job: None,
    }
}

fn name(job: &GateJob, ix: WorkflowIx) -> Option<String> {
    job.spec()?.workflow(ix).map(|spec| spec.name.clone())
}

/// Older events are not kept any more: the current state, under its own version.
pub fn truncated(job: &GateJob) -> Option<JobEvent> {
    let last = job.events.last()?;
    let view: JobView = job_view(job)?;
    Some(JobEvent { kind: EventKind::Truncated, job: Some(Box::new(view)), ..blank(last) })
}
