//! `muster callback add|remove|list`.

use muster_wire::api::{CallbackRequest, CallbackView, EventKind};
use serde_json::json;

use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::more_args::{Callback, CallbackAdd, CallbackRemove};
use crate::table::table;

pub(crate) async fn run(context: &Context, command: Callback) -> Result<u8, Failure> {
    match command {
        Callback::Add(args) => add(context, args).await,
        Callback::Remove(args) => remove(context, &args).await,
        Callback::List(args) => list(context, &args.job).await,
    }
}

async fn add(context: &Context, args: CallbackAdd) -> Result<u8, Failure> {
    let kinds: Result<Vec<EventKind>, Failure> = args.kind.iter().map(|word| kind(word)).collect();
    let (url, secret, from_version) = (args.url, args.secret, args.from_version);
    let request = CallbackRequest { url, kinds: kinds?, secret, from_version };
    let view = context.client()?.callback_add(&args.job, &request).await?;
    match context.out.json {
        true => context.out.document(&view)?,
        false => context.out.line(&format!("{}: events are posted there", view.url))?,
    }
    Ok(exit::DONE)
}

fn kind(word: &str) -> Result<EventKind, Failure> {
    serde_json::from_value(json!(word)).map_err(|_| {
        Failure::usage(format!(
            "`{word}` is no kind: status, workflow, progress, result, leader, truncated or end"
        ))
    })
}

async fn remove(context: &Context, args: &CallbackRemove) -> Result<u8, Failure> {
    context.client()?.callback_remove(&args.job, &args.url).await?;
    match context.out.json {
        true => context.out.document(&json!({"url": args.url, "removed": true}))?,
        false => context.out.line(&format!("removed {}", args.url))?,
    }
    Ok(exit::DONE)
}

async fn list(context: &Context, job: &str) -> Result<u8, Failure> {
    let items = context.client()?.callbacks(job).await?;
    let header = ["url", "state", "delivered", "owed", "tries", "error", "gives up at"];
    match context.out.json {
        true => context.out.document(&json!({"items": items}))?,
        false => context.out.line(&table(&header, &items.iter().map(row).collect::<Vec<_>>()))?,
    }
    Ok(exit::DONE)
}

fn row(item: &CallbackView) -> Vec<String> {
    vec![
        item.url.clone(),
        item.state.word().into(),
        item.delivered.to_string(),
        item.owed.to_string(),
        item.tries.map_or_else(|| "-".into(), |tries| tries.to_string()),
        item.error.clone().unwrap_or_default(),
        item.gives_up_at.clone().unwrap_or_else(|| "-".into()),
    ]
}
