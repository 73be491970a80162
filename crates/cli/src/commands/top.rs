//! `muster top`: datacenters, members and the newest jobs, refreshed.

use muster_client::{Client, ListQuery};
use muster_wire::api::{DatacenterView, JobItem, MemberView};
use serde::Serialize;

use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::follow::paint_status;
use crate::more_args::Top;
use crate::table::table;
use crate::when;

/// Jobs that fit a screen.
const JOBS: u32 = 20;
/// Clears the screen and goes to its corner.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// One refresh.
#[derive(Serialize)]
struct Screen {
    at: String,
    datacenters: Vec<DatacenterView>,
    members: Vec<MemberView>,
    jobs: Vec<JobItem>,
}

pub(crate) async fn run(context: &Context, args: &Top) -> Result<u8, Failure> {
    let count = args.count.unwrap_or(if context.out.live { u32::MAX } else { 1 });
    let client = context.client()?;
    let refreshing = async {
        for at in 0..count {
            if at > 0 {
                tokio::time::sleep(args.every).await;
            }
            show(context, &screen(context, &client).await?)?;
        }
        Ok(exit::DONE)
    };
    tokio::select! {
        outcome = refreshing => outcome,
        _ = tokio::signal::ctrl_c() => Ok(exit::DONE),
    }
}

async fn screen(context: &Context, client: &Client) -> Result<Screen, Failure> {
    let query = ListQuery { limit: Some(JOBS), ..ListQuery::default() };
    let (datacenters, members) = (client.datacenters().await?, client.members().await?);
    let jobs = client.jobs(query).await?.items;
    Ok(Screen { at: context.now().to_string(), datacenters, members, jobs })
}

fn show(context: &Context, screen: &Screen) -> Result<(), Failure> {
    match (context.out.json, context.out.live) {
        (true, _) => context.out.item(screen),
        (false, true) => context.out.line(&format!("{CLEAR}{}", render(context, screen))),
        (false, false) => context.out.line(&render(context, screen)),
    }
}

fn render(context: &Context, screen: &Screen) -> String {
    let dcs: Vec<Vec<String>> = screen.datacenters.iter().map(datacenter).collect();
    let members: Vec<Vec<String>> = screen.members.iter().map(member).collect();
    let jobs: Vec<Vec<String>> = screen.jobs.iter().map(|item| job(context, item)).collect();
    format!(
        "{}\n\n{}\n\n{}\n\n{}",
        screen.at,
        table(&["datacenter", "health", "managers", "workers", "cores", "used", "queued", "rtt"], &dcs),
        table(&["member", "role", "state", "groups"], &members),
        table(&["job", "name", "status", "created"], &jobs),
    )
}

fn datacenter(dc: &DatacenterView) -> Vec<String> {
    let numbers = [dc.managers, dc.workers, dc.cores.total, dc.cores.used, dc.queued];
    let rtt = dc.rtt_ms.map_or_else(|| "-".into(), |ms| format!("{ms:.1} ms"));
    let head = [dc.id.clone(), dc.health.word().to_owned()];
    head.into_iter().chain(numbers.iter().map(ToString::to_string)).chain([rtt]).collect()
}

fn member(member: &MemberView) -> Vec<String> {
    let groups = member.groups.map_or_else(|| "-".into(), |groups| groups.to_string());
    vec![member.name.clone(), member.role.clone(), member.state.clone(), groups]
}

fn job(context: &Context, item: &JobItem) -> Vec<String> {
    let created = when::ago(&item.created_at, context.now());
    vec![item.id.to_string(), item.name.clone(), paint_status(context.out, item.status), created]
}
