//! `muster cancel` and `muster delete`.

use muster_client::Client;
use muster_wire::api::{CancelRequest, JobView};
use muster_wire::job::JobStatus;
use serde_json::json;

use crate::args::{Cancel, Job};
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;

pub(crate) async fn run(context: &Context, args: Cancel) -> Result<u8, Failure> {
    let client = context.client()?;
    let job = client.job(&args.job).await?;
    let workflows = (!args.workflow.is_empty()).then_some(args.workflow);
    let is_whole = workflows.is_none();
    let request = CancelRequest { reason: args.reason, workflows, grace: args.grace };
    let answer = client.cancel(&job.id.to_string(), &request).await?;
    match args.wait && is_whole {
        true => wait(context, &client, &job).await,
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

/// Done when it is cancelled: the state asked for is reached. Another end is the job's own outcome.
async fn wait(context: &Context, client: &Client, job: &JobView) -> Result<u8, Failure> {
    let deadline = tokio::time::sleep(context.global.timeout.max(std::time::Duration::from_secs(90)));
    let ended = tokio::select! {
        ended = until_terminal(client, job) => ended?,
        () = deadline => return Err(Failure::new(exit::TIMED_OUT, "timeout", format!("{} is not cancelled yet; the cancel goes on, see `muster status`", job.id))),
    };
    say(context, job, ended.status)?;
    match ended.status {
        JobStatus::Cancelled => Ok(exit::DONE),
        other => Ok(other.exit_code()),
    }
}

async fn until_terminal(client: &Client, job: &JobView) -> Result<JobView, Failure> {
    let id = job.id.to_string();
    let mut version = 0;
    loop {
        let view = client.job_after(&id, version, std::time::Duration::from_secs(10)).await?;
        if view.status.is_terminal() {
            return Ok(view);
        }
        version = view.version;
    }
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
