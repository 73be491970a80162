//! `muster cancel` and `muster delete`.

use std::collections::BTreeMap;

use muster_client::Client;
use muster_wire::api::{CancelRequest, JobView, WorkflowView};
use muster_wire::job::{JobStatus, WorkflowStatus};
use serde_json::json;

use crate::args::{Cancel, Job};
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;

pub(crate) async fn run(context: &Context, args: Cancel) -> Result<u8, Failure> {
    let client = context.client()?;
    let job = client.job(&args.job).await?;
    let workflows = (!args.workflow.is_empty()).then(|| args.workflow.clone());
    let request = CancelRequest { reason: args.reason, workflows, grace: args.grace };
    let answer = client.cancel(&job.id.to_string(), &request).await?;
    match args.wait {
        true => wait(context, &client, (&job, &args.workflow)).await,
        false => say(context, &job, answer.status),
    }
}

fn say(context: &Context, job: &JobView, status: JobStatus) -> Result<u8, Failure> {
    match context.out.json {
        true => context.out.document(&json!({"id": job.id, "status": status}))?,
        false => context.out.line(&format!("{} is {status}", job.id))?,
    }
    Ok(exit::DONE)
}

/// Done when what was asked for is reached: the job is cancelled, or the named workflows have ended. Another end of a whole
/// job is the job's own outcome.
async fn wait(
    context: &Context,
    client: &Client,
    (job, workflows): (&JobView, &[String]),
) -> Result<u8, Failure> {
    let deadline = tokio::time::sleep(context.global.timeout.max(std::time::Duration::from_secs(90)));
    let ended = tokio::select! {
        ended = until_ended(client, (job, workflows)) => ended?,
        () = deadline => return Err(Failure::new(exit::TIMED_OUT, "timeout", format!("{} is not cancelled yet; the cancel goes on, see `muster status`", job.id))),
    };
    match workflows.is_empty() {
        true => say(context, job, ended.status)?,
        false => say_workflows(context, &ended, workflows)?,
    };
    match (ended.status, workflows.is_empty()) {
        (JobStatus::Cancelled, _) | (_, false) => Ok(exit::DONE),
        (other, true) => Ok(other.exit_code()),
    }
}

async fn until_ended(client: &Client, (job, workflows): (&JobView, &[String])) -> Result<JobView, Failure> {
    let id = job.id.to_string();
    let mut version = 0;
    loop {
        let view = client.job_after(&id, version, std::time::Duration::from_secs(10)).await?;
        if view.status.is_terminal() || have_ended(&view, workflows) {
            return Ok(view);
        }
        version = view.version;
    }
}

/// Does nothing of the named workflows run any more? Of none: no.
fn have_ended(view: &JobView, workflows: &[String]) -> bool {
    let ended = |name: &String| named(view, name).is_some_and(|workflow| workflow.status.is_terminal());
    !workflows.is_empty() && workflows.iter().all(ended)
}

fn named<'a>(view: &'a JobView, name: &str) -> Option<&'a WorkflowView> {
    view.workflows.iter().find(|workflow| workflow.name == name)
}

fn say_workflows(context: &Context, view: &JobView, workflows: &[String]) -> Result<u8, Failure> {
    let named = workflows.iter().filter_map(|name| named(view, name));
    let ended: BTreeMap<&str, WorkflowStatus> =
        named.map(|workflow| (workflow.name.as_str(), workflow.status)).collect();
    match context.out.json {
        true => {
            context.out.document(&json!({"id": view.id, "status": view.status, "workflows": ended}))?;
        }
        false => {
            for (name, status) in ended {
                context.out.line(&format!("{} of {} is {status}", name, view.id))?;
            }
        }
    }
    Ok(exit::DONE)
}

pub(crate) async fn delete(context: &Context, args: &Job) -> Result<u8, Failure> {
    let client = context.client()?;
    let job = client.job(&args.job).await?;
    context.confirm(&format!("Delete job {} ({}) with its results?", job.id, job.name))?;
    client.delete(&job.id.to_string()).await?;
    match context.out.json {
        true => context.out.document(&json!({"id": job.id, "deleted": true}))?,
        false => context.out.line(&format!("deleted {}", job.id))?,
    }
    Ok(exit::DONE)
}
