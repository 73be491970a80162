//! `GET /v1/jobs/{id}/stats`: numbers over time, merged over the job's datacenters.

use axum::Json;
use axum::extract::{Path, Query, State};
use futures_util::future::join_all;
use muster_consensus::Consistency;
use muster_node::http::{Answer, Problem};
use muster_wire::WorkflowIx;
use muster_wire::api::{PAGE_MAX, Page, StatsWindowView};
use muster_wire::rpc::manager::ReadStats;
use muster_wire::stats::{StatsHistory, StatsWindow};
use serde::Deserialize;

use super::resolve::read;
use super::{duration, place};
use crate::gate::Gate;
use crate::machine::GateJob;
use crate::numbers::merged;
use crate::present;

const LIMIT_DEFAULT: usize = PAGE_MAX;

#[derive(Deserialize)]
pub(super) struct Params {
    workflow: Option<String>,
    datacenter: Option<String>,
    from: Option<String>,
    step: Option<String>,
    limit: Option<usize>,
    cursor: Option<usize>,
}

pub(super) async fn stats(
    State(gate): State<Gate>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
) -> Answer<Json<Page<StatsWindowView>>> {
    let view = read(&gate, &id, Consistency::Linearizable).await?;
    let call = call(&view.state, &params)?;
    let places = places(&view.state, params.datacenter.as_deref())?;
    let stats = gather(&gate, (&view.state, &places), &call).await?;
    page(&view.state, &stats, &params).map(Json)
}

/// The numbers of some datacenters, merged.
async fn gather(gate: &Gate, (job, places): (&GateJob, &[String]), call: &ReadStats) -> Answer<StatsHistory> {
    let parts = join_all(places.iter().map(|dc| part(gate, (job, dc), call))).await;
    let parts: Vec<StatsHistory> = parts.into_iter().collect::<Answer<_>>()?;
    Ok(merged(parts, call.step_ms))
}

/// The windows of every workflow from a time on; none where no datacenter can tell now.
pub(super) async fn since(gate: &Gate, job: &GateJob, from_ms: u64) -> Vec<StatsWindow> {
    let places = places(job, None).unwrap_or_default();
    let call = ReadStats { job: job.job, workflow: None, from_ms, step_ms: 0, forwarded: false };
    gather(gate, (job, &places), &call).await.map(|stats| stats.windows).unwrap_or_default()
}

fn call(job: &GateJob, params: &Params) -> Answer<ReadStats> {
    let workflow = params.workflow.as_deref().map(|name| position(job, name)).transpose()?;
    let step = params.step.as_deref().map(|text| duration("step", text)).transpose()?;
    let from_ms = params.from.as_deref().map(time).transpose()?.unwrap_or(0);
    let step_ms = step.map_or(0, |step| step.as_millis() as u64);
    Ok(ReadStats { job: job.job, workflow, from_ms, step_ms, forwarded: false })
}

fn position(job: &GateJob, name: &str) -> Answer<WorkflowIx> {
    let found = job.spec().and_then(|spec| spec.enumerate().find(|(_, workflow)| workflow.name == name));
    let unknown = || Problem::not_found("unknown_workflow", format!("the job has no workflow `{name}`"));
    found.map(|(ix, _)| ix).ok_or_else(unknown)
}

fn time(text: &str) -> Answer<u64> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    let ms = time.ok().and_then(|time| u64::try_from(time.as_millisecond()).ok());
    ms.ok_or_else(|| Problem::malformed(format!("from: `{text}` is no RFC 3339 time")))
}

/// The named datacenter, else every target that was handed the job.
fn places(job: &GateJob, wanted: Option<&str>) -> Answer<Vec<String>> {
    if let Some(wanted) = wanted {
        return Ok(vec![place::datacenter(job, Some(wanted))?]);
    }
    let leased = |name: &&String| job.dc(name).is_some_and(|dc| dc.was_leased());
    Ok(job.targets.primaries.iter().filter(leased).cloned().collect())
}

/// Of the managers while they know the job, then of its result there.
async fn part(gate: &Gate, (job, dc): (&GateJob, &str), call: &ReadStats) -> Answer<StatsHistory> {
    let result = job.dc(dc).and_then(|dc| dc.result.as_ref()).map(|(_, result)| result.stats.clone());
    if let Some(stats) = result.filter(|stats| !stats.windows.is_empty()) {
        return Ok(filtered(stats, call));
    }
    Ok(place::ask(gate, (job, dc), call).await?.unwrap_or_default())
}

fn filtered(mut stats: StatsHistory, call: &ReadStats) -> StatsHistory {
    let is_meant = |window: &StatsWindow| {
        window.start_ms >= call.from_ms && call.workflow.is_none_or(|workflow| workflow == window.workflow)
    };
    stats.windows.retain(is_meant);
    stats
}

fn page(job: &GateJob, stats: &StatsHistory, params: &Params) -> Answer<Page<StatsWindowView>> {
    let limit = params.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::malformed(format!("limit is 1 to {PAGE_MAX}")));
    }
    let first = params.cursor.unwrap_or(0);
    let items: Vec<StatsWindowView> =
        stats.windows.iter().skip(first).take(limit).map(|window| present::window(job, window)).collect();
    let next = first + items.len();
    Ok(Page { items, next_cursor: (next < stats.windows.len()).then(|| next.to_string()) })
}
