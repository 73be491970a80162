//! `muster context get|set|delete|list`: a job's replicated key/values.

use muster_client::ContextPlace;
use muster_wire::api::ContextWritten;
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::more_args::{ContextCommand, ContextKey, ContextList, ContextSet, Place};
use crate::table::table;

pub(crate) async fn run(context: &Context, command: ContextCommand) -> Result<u8, Failure> {
    match command {
        ContextCommand::Get(args) => get(context, args).await,
        ContextCommand::Set(args) => set(context, args).await,
        ContextCommand::Delete(args) => delete(context, args).await,
        ContextCommand::List(args) => list(context, args).await,
    }
}

fn place(args: Place) -> ContextPlace {
    ContextPlace { datacenter: args.dc, version: args.if_version }
}

async fn get(context: &Context, args: ContextKey) -> Result<u8, Failure> {
    let entry = context.client()?.context_get((&args.job, &args.key), &place(args.place)).await?;
    match context.out.json {
        true => context.out.document(&entry)?,
        false => context.out.line(&plain(&entry.value))?,
    }
    Ok(exit::DONE)
}

async fn set(context: &Context, args: ContextSet) -> Result<u8, Failure> {
    let value = serde_json::from_str(&args.value).unwrap_or(Value::String(args.value));
    let client = context.client()?;
    let written = client.context_set((&args.job, &args.key), &value, &place(args.place)).await?;
    say(context, (&args.key, "set"), &written)
}

async fn delete(context: &Context, args: ContextKey) -> Result<u8, Failure> {
    let written = context.client()?.context_delete((&args.job, &args.key), &place(args.place)).await?;
    say(context, (&args.key, "deleted"), &written)
}

fn say(context: &Context, (key, done): (&str, &str), written: &ContextWritten) -> Result<u8, Failure> {
    match context.out.json {
        true => context.out.document(written)?,
        false => context.out.line(&format!("{done} {key}; version {}", written.version))?,
    }
    Ok(exit::DONE)
}

async fn list(context: &Context, args: ContextList) -> Result<u8, Failure> {
    let view = context.client()?.context(&args.job, &place(args.place)).await?;
    if context.out.json {
        context.out.document(&view)?;
        return Ok(exit::DONE);
    }
    let rows: Vec<Vec<String>> =
        view.values.iter().map(|(key, value)| vec![key.clone(), value.to_string()]).collect();
    context.out.line(&format!("{}\n(version {})", table(&["key", "value"], &rows), view.version))?;
    Ok(exit::DONE)
}

/// Strings without quotes, all else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| json!(value).to_string(), str::to_owned)
}
