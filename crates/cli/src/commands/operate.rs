//! `muster group …`, `muster node …`, `muster workers`: for operators.

use std::time::Duration;

use muster_client::{Client, ClientError, DrainWord};
use muster_wire::api::{GroupAsked, PlacedWorkerView};
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::more_args::{Group, NodeCommand, NodeDrain, Workers};
use crate::table::table;

/// A drain that is waited for is looked at this often.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) async fn group(context: &Context, command: Group) -> Result<u8, Failure> {
    let client = context.client()?;
    let (asked, what) = match command {
        Group::Transfer(args) => {
            (client.transfer_group(&args.job, &args.to).await?, "gives its leadership away")
        }
        Group::Snapshot(args) => (client.snapshot_group(&args.job).await?, "builds a snapshot"),
    };
    say_asked(context, &asked, what)
}

fn say_asked(context: &Context, asked: &GroupAsked, what: &str) -> Result<u8, Failure> {
    match context.out.json {
        true => context.out.document(asked)?,
        false => context.out.line(&format!("{}: {} {what}", asked.job, asked.node))?,
    }
    Ok(exit::DONE)
}

pub(crate) async fn node(context: &Context, command: NodeCommand) -> Result<u8, Failure> {
    match command {
        NodeCommand::Drain(args) => drain(context, &args).await,
        NodeCommand::Undrain(args) => {
            say(context, &set(&context.client()?, &args.node, DrainWord::Undrain).await?)
        }
        NodeCommand::Remove(args) => remove(context, &args.node).await,
    }
}

async fn drain(context: &Context, args: &NodeDrain) -> Result<u8, Failure> {
    let client = context.client()?;
    let first = set(&client, &args.node, DrainWord::Drain).await?;
    if !args.wait {
        return say(context, &first);
    }
    let late =
        || Failure::new(exit::TIMED_OUT, "timeout", format!("{} is not drained yet; it goes on", args.node));
    let done = tokio::time::timeout(context.global.timeout, until_drained(&client, &args.node)).await;
    say(context, &done.map_err(|_| late())??)
}

async fn until_drained(client: &Client, node: &str) -> Result<Value, Failure> {
    loop {
        let now = set(client, node, DrainWord::Drain).await?;
        if ["done", "drained"].iter().any(|word| now["draining"] == **word || now["state"] == **word) {
            return Ok(now);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A member of the cluster that is asked, else a worker of any datacenter.
async fn set(client: &Client, node: &str, word: DrainWord) -> Result<Value, Failure> {
    match client.drain_member(node, word).await {
        Err(ClientError::Problem(problem)) if problem.status == 404 => {
            Ok(json!(client.drain_worker(node, word).await?))
        }
        answer => Ok(json!(answer?)),
    }
}

fn say(context: &Context, now: &Value) -> Result<u8, Failure> {
    let word = |key: &str| now[key].as_str().map(str::to_owned);
    let name = word("node").or_else(|| word("name")).unwrap_or_default();
    let state = word("draining").map(|draining| format!("draining: {draining}"));
    let state = state.or_else(|| word("state")).unwrap_or_default();
    match context.out.json {
        true => context.out.document(now)?,
        false => context.out.line(&format!("{name} {state}"))?,
    }
    Ok(exit::DONE)
}

async fn remove(context: &Context, node: &str) -> Result<u8, Failure> {
    context.confirm(&format!("Remove {node} from its cluster for good?"))?;
    context.client()?.remove_member(node).await?;
    match context.out.json {
        true => context.out.document(&json!({"node": node, "removed": true}))?,
        false => context.out.line(&format!("removed {node}"))?,
    }
    Ok(exit::DONE)
}

pub(crate) async fn workers(context: &Context, args: Workers) -> Result<u8, Failure> {
    let items = context.client()?.workers(args.dc).await?;
    let header = ["datacenter", "name", "state", "cores", "used", "labels", "address"];
    match context.out.json {
        true => context.out.document(&json!({"items": items}))?,
        false => context.out.line(&table(&header, &items.iter().map(worker_row).collect::<Vec<_>>()))?,
    }
    Ok(exit::DONE)
}

fn worker_row(item: &PlacedWorkerView) -> Vec<String> {
    let worker = &item.worker;
    let labels: Vec<String> = worker.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    vec![
        item.datacenter.clone(),
        worker.name.clone(),
        worker.state.clone(),
        worker.cores.total.to_string(),
        worker.cores.used.to_string(),
        labels.join(","),
        worker.address.clone(),
    ]
}
