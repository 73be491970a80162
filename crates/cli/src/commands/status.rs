//! `muster status`.

use muster_wire::api::{JobView, WorkflowView};

use crate::args::Job;
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::follow::paint_status;
use crate::table::table;
use crate::when;

pub(crate) async fn run(context: &Context, args: &Job) -> Result<u8, Failure> {
    let job = context.client()?.job(&args.job).await?;
    match context.out.json {
        true => context.out.document(&job)?,
        false => context.out.line(&render(context, &job))?,
    }
    Ok(exit::DONE)
}

fn render(context: &Context, job: &JobView) -> String {
    let mut lines = vec![
        format!("id          {}", job.id),
        format!("name        {}", job.name),
        format!("status      {}", paint_status(context.out, job.status)),
        format!("created     {}", when::ago(&job.created_at, context.now())),
        format!("elapsed     {}", elapsed(context, job)),
        format!("leader      {} (token {})", job.leader.as_deref().unwrap_or("-"), job.token),
    ];
    lines.extend(job.resolution.as_ref().map(|why| format!("resolution  {}", why.reason)));
    lines.extend(job.datacenters.iter().map(|(name, part)| {
        let manager = part.manager.as_deref().unwrap_or("-");
        format!("datacenter  {name}: {} (manager {manager})", paint_status(context.out, part.status))
    }));
    lines.extend(job.errors.iter().map(|error| format!("error       {error}")));
    let rows: Vec<Vec<String>> = job.workflows.iter().map(|workflow| row(context, workflow)).collect();
    lines.push(String::new());
    lines.push(table(&["workflow", "status", "shards", "failed", "attempts", "elapsed", "error"], &rows));
    lines.join("\n")
}

fn elapsed(context: &Context, job: &JobView) -> String {
    when::between(Some(&job.created_at), job.finished_at.as_deref(), context.now())
}

fn row(context: &Context, workflow: &WorkflowView) -> Vec<String> {
    let shards = workflow.shards;
    vec![
        workflow.name.clone(),
        workflow.status.to_string(),
        format!("{}/{}", shards.succeeded, shards.total),
        (shards.failed + shards.lost).to_string(),
        workflow.attempts.to_string(),
        when::between(workflow.started_at.as_deref(), workflow.finished_at.as_deref(), context.now()),
        workflow.error.clone().unwrap_or_default(),
    ]
}
