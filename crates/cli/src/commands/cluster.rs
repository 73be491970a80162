//! `muster groups`, `muster dcs`.

use muster_wire::api::{DatacenterView, GroupView};
use serde::Serialize;
use serde_json::json;

use crate::args::Groups;
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::table::table;

pub(crate) async fn groups(context: &Context, args: Groups) -> Result<u8, Failure> {
    let client = context.client()?;
    if let Some(job) = args.job {
        return one_group(context, &client.group(&job).await?);
    }
    let header = ["job", "group", "state", "role", "leader", "term", "token", "applied", "replicas"];
    show(context, &header, &client.groups().await?, group_row)
}

fn group_row(group: &GroupView) -> Vec<String> {
    let replicas: Vec<&str> = group.replicas.iter().map(|replica| replica.node.as_str()).collect();
    vec![
        group.job.map_or_else(|| "(directory)".into(), |job| job.to_string()),
        group.group_id.to_string(),
        group.state.clone(),
        group.role.clone(),
        group.leader.clone().unwrap_or_else(|| "-".into()),
        group.term.to_string(),
        group.token.to_string(),
        optional(group.applied),
        replicas.join(","),
    ]
}

fn one_group(context: &Context, group: &GroupView) -> Result<u8, Failure> {
    if context.out.json {
        context.out.document(group)?;
        return Ok(exit::DONE);
    }
    let header = ["job", "group", "state", "role", "leader", "term", "token", "applied", "replicas"];
    context.out.line(&table(&header, &[group_row(group)]))?;
    let rows: Vec<Vec<String>> = group
        .replicas
        .iter()
        .map(|replica| vec![replica.node.clone(), replica.state.clone(), optional(replica.matched)])
        .collect();
    context.out.line(&format!("\n{}", table(&["replica", "state", "matched"], &rows)))?;
    Ok(exit::DONE)
}

pub(crate) async fn datacenters(context: &Context) -> Result<u8, Failure> {
    let items = context.client()?.datacenters().await?;
    let header = ["datacenter", "health", "managers", "workers", "cores", "used", "leader"];
    show(context, &header, &items, |dc: &DatacenterView| {
        vec![
            dc.id.clone(),
            dc.health.word().to_owned(),
            dc.managers.to_string(),
            dc.workers.to_string(),
            dc.cores.total.to_string(),
            dc.cores.used.to_string(),
            if dc.leader { "yes".into() } else { "no".into() },
        ]
    })
}

pub(super) fn optional(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

/// `{items}` as JSON, or a table.
pub(super) fn show<T: Serialize>(
    context: &Context,
    header: &[&str],
    items: &[T],
    row: impl Fn(&T) -> Vec<String>,
) -> Result<u8, Failure> {
    match context.out.json {
        true => context.out.document(&json!({"items": items}))?,
        false => context.out.line(&table(header, &items.iter().map(row).collect::<Vec<_>>()))?,
    }
    Ok(exit::DONE)
}
