//! `muster results`.

use muster_wire::api::{JobResults, ShardResultView};

use crate::args::Job;
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::table::table;

pub(crate) async fn run(context: &Context, args: &Job) -> Result<u8, Failure> {
    let results = context.client()?.results(&args.job).await?;
    match context.out.json {
        true => context.out.document(&results)?,
        false => context.out.line(&render(&results))?,
    }
    Ok(exit::DONE)
}

/// Every shard a row, then the context.
pub(crate) fn render(results: &JobResults) -> String {
    let mut rows = Vec::new();
    for (datacenter, part) in &results.datacenters {
        for (name, workflow) in &part.workflows {
            rows.extend(workflow.shards.iter().map(|shard| row(datacenter, name, shard)));
        }
    }
    let mut text = table(&["datacenter", "workflow", "shard", "attempt", "worker", "exit", "outputs"], &rows);
    for (key, value) in &results.context {
        text += &format!("\ncontext {key} = {value}");
    }
    text
}

fn row(datacenter: &str, workflow: &str, shard: &ShardResultView) -> Vec<String> {
    let outputs: Vec<String> = shard.outputs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    vec![
        datacenter.to_owned(),
        workflow.to_owned(),
        shard.shard.to_string(),
        shard.attempt.to_string(),
        shard.worker.clone(),
        exit_text(shard),
        outputs.join(" "),
    ]
}

/// `exit code 3`, `signal 9`, or what else happened.
pub(crate) fn exit_text(shard: &ShardResultView) -> String {
    let code = shard.exit_code.map(|code| format!("exit code {code}"));
    let signal = shard.signal.map(|signal| format!("signal {signal}"));
    let text = code.or(signal).unwrap_or_else(|| muster_wire::job::ExitKind::word(shard.kind).to_owned());
    match &shard.error {
        Some(error) if error.starts_with(&text) => error.clone(),
        Some(error) => format!("{text}: {error}"),
        None => text,
    }
}
