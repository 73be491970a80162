//! `muster list`.

use muster_client::{Client, ListQuery};
use muster_wire::api::{JobItem, JobList};

use crate::args::List;
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::follow::paint_status;
use crate::table::table;
use crate::when;

/// A list longer than this is cut even with `--all`.
const ITEMS_MAX: usize = 1_000_000;

pub(crate) async fn run(context: &Context, args: List) -> Result<u8, Failure> {
    let list = fetch(&context.client()?, args).await?;
    match context.out.json {
        true => context.out.document(&list)?,
        false => context.out.line(&render(context, &list))?,
    }
    Ok(exit::DONE)
}

async fn fetch(client: &Client, args: List) -> Result<JobList, Failure> {
    let mut query =
        ListQuery { status: args.status, label: args.label, limit: Some(args.limit), cursor: None };
    let mut list = client.jobs(query.clone()).await?;
    while args.all && list.items.len() < ITEMS_MAX {
        let Some(cursor) = list.next_cursor.take() else { break };
        query.cursor = Some(cursor);
        let page = client.jobs(query.clone()).await?;
        list.items.extend(page.items);
        list.next_cursor = page.next_cursor;
    }
    Ok(list)
}

fn render(context: &Context, list: &JobList) -> String {
    let rows: Vec<Vec<String>> = list.items.iter().map(|item| row(context, item)).collect();
    let mut text = table(&["id", "name", "status", "created"], &rows);
    if list.next_cursor.is_some() {
        text += "\n(more: use --all or a larger --limit)";
    }
    text
}

fn row(context: &Context, item: &JobItem) -> Vec<String> {
    let created = when::ago(&item.created_at, context.now());
    vec![item.id.to_string(), item.name.clone(), paint_status(context.out, item.status), created]
}
