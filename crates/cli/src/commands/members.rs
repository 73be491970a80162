//! `muster members`: whom a node sees, and what happens to them.

use jiff::Timestamp;
use muster_wire::api::{MemberEvent, MemberView};

use super::cluster::{optional, show};
use crate::args::Members;
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::when;

pub(crate) async fn run(context: &Context, args: Members) -> Result<u8, Failure> {
    match args.follow {
        true => follow(context).await,
        false => list(context).await,
    }
}

async fn list(context: &Context) -> Result<u8, Failure> {
    let members = context.client()?.members().await?;
    let header = [
        "name",
        "role",
        "datacenter",
        "state",
        "since",
        "incarnation",
        "rtt",
        "member",
        "number",
        "address",
        "generation",
    ];
    let now = context.now();
    show(context, &header, &members, |member| row(member, now))
}

fn row(member: &MemberView, now: Timestamp) -> Vec<String> {
    let since = member.since.as_deref().map(|since| when::ago(since, now));
    vec![
        member.name.clone(),
        member.role.clone(),
        member.datacenter.clone(),
        member.state.clone(),
        optional(since),
        member.incarnation.to_string(),
        optional(member.rtt_ms.map(|ms| format!("{ms:.1}ms"))),
        optional(member.member_state.clone()),
        optional(member.number),
        member.address.clone(),
        member.generation.to_string(),
    ]
}

/// Until interrupted, or until the node stops.
async fn follow(context: &Context) -> Result<u8, Failure> {
    let mut events = context.client()?.member_events().await?;
    while let Some(event) = events.next().await? {
        match context.out.json {
            true => context.out.item(&event)?,
            false => context.out.line(&line(&event))?,
        }
    }
    Ok(exit::DONE)
}

fn line(event: &MemberEvent) -> String {
    let whom = event.name.clone().filter(|name| !name.is_empty()).or_else(|| event.id.clone());
    let process = match (event.generation, event.incarnation) {
        (Some(generation), Some(incarnation)) => {
            format!(" (generation {generation}, incarnation {incarnation})")
        }
        _ => String::new(),
    };
    let whom = whom.map(|whom| format!(" {whom}{process}")).unwrap_or_default();
    let state = event.state.as_ref().map(|state| format!(" {state}")).unwrap_or_default();
    format!("{} {}{whom}{state}: {}", event.at, event.event, event.detail)
}
