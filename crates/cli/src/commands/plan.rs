//! `muster plan` and `muster submit --dry-run`: where a job would run and why.

use muster_client::Client;
use muster_wire::api::{DryRun, Placement};

use crate::args::File;
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::job_file::JobFile;
use crate::table::table;

pub(crate) async fn run(context: &Context, args: &File) -> Result<u8, Failure> {
    let file = JobFile::read(&args.file)?;
    file.validate()?;
    show(context, &context.client()?, file).await
}

/// Asks a gate; nothing is written.
pub(crate) async fn show(context: &Context, client: &Client, file: JobFile) -> Result<u8, Failure> {
    let plan = client.dry_run(file.into_submission(None)).await?;
    match context.out.json {
        true => context.out.document(&plan)?,
        false => context.out.line(&render(&plan))?,
    }
    Ok(exit::DONE)
}

fn render(plan: &DryRun) -> String {
    let rows: Vec<Vec<String>> = plan.placements.iter().map(row).collect();
    let header = ["datacenter", "role", "health", "free", "queued", "rtt", "why"];
    let warnings = plan.placements.iter().flat_map(|placement| {
        placement.warnings.iter().map(|text| format!("\nwarning: {}: {text}", placement.datacenter))
    });
    let (name, places) = (&plan.name, plan.datacenters.join(", "));
    let (workflows, shards) = (plan.workflows, plan.shards);
    format!(
        "`{name}` would run in {places}: {workflows} workflows, {shards} shards\n\n{}",
        table(&header, &rows)
    ) + &warnings.collect::<String>()
}

fn row(placement: &Placement) -> Vec<String> {
    let cores = placement.cores;
    vec![
        placement.datacenter.clone(),
        placement.role.word().into(),
        placement.health.word().into(),
        format!("{}/{}", cores.total.saturating_sub(cores.used), cores.total),
        placement.queued.to_string(),
        placement.rtt_ms.map_or_else(|| "-".into(), |ms| format!("{ms:.1} ms")),
        placement.reason.clone(),
    ]
}
