//! `muster submit`.

use muster_client::Client;
use serde_json::json;

use crate::args::Submit;
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::follow;
use crate::job_file::{JobFile, parse_change};
use crate::output::Color;

pub(crate) async fn run(context: &Context, args: Submit) -> Result<u8, Failure> {
    let mut changes = args.set.iter().map(|text| parse_change(text)).collect::<Result<Vec<_>, _>>()?;
    if !args.dc.is_empty() {
        changes.push(("datacenters".into(), json!(args.dc)));
    }
    let file = JobFile::read(&args.file)?.with_changes(&changes)?;
    file.validate()?;
    let client = context.client()?;
    if args.dry_run {
        return dry_run(context, &client, file).await;
    }
    let id = submit(context, &client, file, args.key).await?;
    match args.follow {
        true => follow::to_the_end(context, &client, &id).await,
        false => Ok(exit::DONE),
    }
}

async fn dry_run(context: &Context, client: &Client, file: JobFile) -> Result<u8, Failure> {
    let plan = client.dry_run(file.into_submission(None)).await?;
    match context.out.json {
        true => context.out.document(&plan)?,
        false => context.out.line(&format!(
            "`{}` would run in {}: {} workflows, {} shards",
            plan.name,
            plan.datacenters.join(", "),
            plan.workflows,
            plan.shards
        ))?,
    }
    Ok(exit::DONE)
}

/// Submits and says so; the answer is the job's id.
pub(crate) async fn submit(
    context: &Context,
    client: &Client,
    file: JobFile,
    key: Option<String>,
) -> Result<String, Failure> {
    let (submitted, replayed) = client.submit(file.into_submission(key)).await?;
    let id = submitted.id.to_string();
    let word = if replayed { "already submitted" } else { "submitted" };
    match context.out.json {
        true => {
            context.out.item(&json!({"id": id, "status": submitted.status, "version": submitted.version,
            "url": submitted.url, "replayed": replayed}))?
        }
        false => context.out.line(&format!("{word} {}", context.out.paint(Color::Cyan, &id)))?,
    }
    Ok(id)
}
