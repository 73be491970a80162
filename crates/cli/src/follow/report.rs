//! What a followed job came to: its status and why; of a failed one each failed shard with its last log lines.

use futures_util::StreamExt as _;
use muster_client::{Client, LogQuery};
use muster_wire::api::{JobResults, JobView, ShardResultView, WorkflowResults};
use muster_wire::job::JobStatus;

use super::paint_status;
use crate::commands::results;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Color;
use crate::when;

/// So many failed shards are shown in full.
const SHOWN_MAX: usize = 5;
/// Last lines of each.
const LOG_LINES: u32 = 10;

/// Prints the outcome: the result to stdout, what went wrong to stderr.
pub(super) async fn outcome(context: &Context, client: &Client, job: &JobView) -> Result<(), Failure> {
    if context.out.json {
        return Ok(());
    }
    let id = job.id.to_string();
    let results = client.results(&id).await?;
    if job.status == JobStatus::Completed {
        context.out.line(&results::render(&results))?;
    }
    let elapsed = when::between(Some(&job.created_at), job.finished_at.as_deref(), context.now());
    let reason = job.resolution.as_ref().map(|why| format!(": {}", why.reason)).unwrap_or_default();
    context.out.note(&format!(
        "{} {} after {elapsed}{reason}",
        job.name,
        paint_status(context.out, job.status)
    ));
    if !matches!(job.status, JobStatus::Completed | JobStatus::Cancelled) {
        failures(context, client, &results).await;
    }
    Ok(())
}

async fn failures(context: &Context, client: &Client, results: &JobResults) {
    let failed = failed_shards(results);
    for (datacenter, workflow, shard) in failed.iter().take(SHOWN_MAX) {
        let what = format!("workflow `{workflow}`, shard {} in {datacenter}", shard.shard);
        let how = results::exit_text(shard);
        let text = format!("{what}: {how} (attempt {}, worker {})", shard.attempt, shard.worker);
        context.out.note(&context.out.paint(Color::Red, &text));
        last_lines(context, client, results, (workflow, shard.shard)).await;
    }
    if failed.len() > SHOWN_MAX {
        context.out.note(&format!(
            "… and {} more failed shards: `muster results {}`",
            failed.len() - SHOWN_MAX,
            results.id
        ));
    }
}

fn failed_shards(results: &JobResults) -> Vec<(&str, &str, &ShardResultView)> {
    let mut failed = Vec::new();
    for (datacenter, part) in &results.datacenters {
        for (name, workflow) in &part.workflows {
            failed.extend(failed_of(workflow).map(|shard| (datacenter.as_str(), name.as_str(), shard)));
        }
    }
    failed
}

fn failed_of(workflow: &WorkflowResults) -> impl Iterator<Item = &ShardResultView> {
    workflow.shards.iter().filter(|shard| shard.exit_code != Some(0))
}

async fn last_lines(
    context: &Context,
    client: &Client,
    results: &JobResults,
    (workflow, shard): (&str, u32),
) {
    let query = LogQuery {
        workflow: Some(workflow.to_owned()),
        shard: Some(shard),
        follow: false,
        tail: Some(LOG_LINES),
    };
    let Ok(stream) = client.logs(&results.id.to_string(), query).await else { return };
    let chunks: Vec<_> = stream.take(64).filter_map(|chunk| async { chunk.ok() }).collect().await;
    for line in String::from_utf8_lossy(&chunks.concat()).lines() {
        context.out.note(&format!("  | {line}"));
    }
}
