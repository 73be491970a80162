//! `muster submit`.

use muster_client::{Client, Submission};
use serde_json::json;

use super::plan;
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
        return plan::show(context, &client, file).await;
    }
    let (submission, floor) = (file.into_submission(args.key), args.fence_floor);
    let id = submit(context, &client, (submission, floor)).await?;
    match args.follow {
        true => follow::to_the_end(context, &client, &id).await,
        false => Ok(exit::DONE),
    }
}

/// Submits and says so; the answer is the job's id.
pub(crate) async fn submit(
    context: &Context,
    client: &Client,
    (submission, floor): (Submission, Option<u64>),
) -> Result<String, Failure> {
    let (submitted, replayed) = match floor {
        Some(floor) => client.import(submission, floor).await?,
        None => client.submit(submission).await?,
    };
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
