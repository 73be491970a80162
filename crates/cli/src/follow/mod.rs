//! Follows a job to its end: one live line a workflow on a terminal, one plain line a change on a pipe, NDJSON in JSON
//! mode. The answer is the job's exit code.

mod live;
mod plain;
mod report;

use std::time::Duration;

use muster_client::{Client, EventStream};
use muster_wire::api::{EventKind, JobEvent, JobView};
use muster_wire::job::JobStatus;

use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::output::{Color, Output};

/// How long a silent cluster is waited for before following fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// Shows what happens to a job.
trait Shower: Send {
    /// One event; `job` is the state some moments after it.
    fn event(&mut self, event: &JobEvent, job: Option<&JobView>) -> Result<(), Failure>;
    /// Does it want the state with each event?
    fn wants_state(&self) -> bool;
    /// The last line.
    fn end(&mut self, job: &JobView);
}

/// Follows a job to its end. Ctrl-C stops following, not the job.
pub(crate) async fn to_the_end(context: &Context, client: &Client, id: &str) -> Result<u8, Failure> {
    let interrupted = tokio::signal::ctrl_c();
    let job = tokio::select! {
        job = follow(context, client, id) => job?,
        _ = interrupted => return Ok(left(context, id)),
    };
    report::outcome(context, client, &job).await?;
    Ok(job.status.exit_code())
}

fn left(context: &Context, id: &str) -> u8 {
    context.out.note(&format!("interrupted; the job goes on: `muster watch {id}`"));
    exit::INTERRUPTED
}

async fn follow(context: &Context, client: &Client, id: &str) -> Result<JobView, Failure> {
    let mut shower = shower(context.out);
    let mut events = client.events(id, None, PATIENCE);
    while let Some(event) = next(context, &mut events).await? {
        let state = state(client, id, &event, shower.wants_state()).await;
        shower.event(&event, state.as_ref())?;
    }
    let job = client.job(id).await?;
    shower.end(&job);
    Ok(job)
}

/// The next event. In JSON mode it is printed as it came.
async fn next(context: &Context, events: &mut EventStream) -> Result<Option<JobEvent>, Failure> {
    let event = events.next().await?;
    if let (Some(event), true) = (&event, context.out.json) {
        context.out.item(event)?;
    }
    Ok(event)
}

/// The job as it is now, where the shower draws it; a failure to read it only delays the drawing.
async fn state(client: &Client, id: &str, event: &JobEvent, wanted: bool) -> Option<JobView> {
    if let Some(job) = &event.job {
        return Some(job.as_ref().clone());
    }
    match wanted && event.kind != EventKind::Stats {
        true => client.job(id).await.ok(),
        false => None,
    }
}

fn shower(out: Output) -> Box<dyn Shower> {
    match (out.json, out.live) {
        (true, _) => Box::new(plain::Silent),
        (false, true) => Box::new(live::Live::new(out)),
        (false, false) => Box::new(plain::Plain::new(out)),
    }
}

/// A status in its colour.
pub(crate) fn paint_status(out: Output, status: JobStatus) -> String {
    let color = match status {
        JobStatus::Completed => Color::Green,
        JobStatus::Failed | JobStatus::TimedOut | JobStatus::Void => Color::Red,
        JobStatus::Partial | JobStatus::Cancelled | JobStatus::Cancelling => Color::Yellow,
        JobStatus::Submitted
        | JobStatus::Queued
        | JobStatus::Dispatching
        | JobStatus::Running
        | JobStatus::Completing => Color::Cyan,
    };
    out.paint(color, status.word())
}
