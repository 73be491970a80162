//! What a job waits for, in words: one row for the shards of a workflow that wait for the same thing. Pure.

use std::collections::BTreeSet;

use muster_wire::job::{AttemptState, WorkflowStatus};
use muster_wire::rpc::manager::{Explained, WaitRow};
use muster_wire::spec::WorkflowSpec;
use muster_wire::{Shard, WorkflowIx};

use crate::machine::{JobRecord, Workflow};
use crate::placing::{Place, places};
use crate::seats::Seat;

/// Names of workers or workflows in one sentence.
const NAMES_MAX: usize = 3;
/// Rows of an answer.
const ROWS_MAX: usize = 1_000;

/// The datacenter's workers as the job's leader sees them, and now.
pub(crate) struct Scene<'a> {
    /// Workers, gone ones included.
    pub seats: &'a [Seat],
    /// Cores that are believed free, by worker.
    pub free: &'a dyn Fn(&Seat) -> u32,
    /// ms since 1970.
    pub now_ms: u64,
}

/// Everything that the job waits for; at most `limit` rows.
pub(crate) fn explain(record: &JobRecord, scene: &Scene<'_>, limit: usize) -> Explained {
    let workflows = record.workflows().flat_map(|(ix, workflow)| waits_of(record, scene, (ix, workflow)));
    let mut rows: Vec<WaitRow> = job_waits(record).into_iter().chain(workflows).collect();
    let more = rows.len().saturating_sub(limit.min(ROWS_MAX));
    rows.truncate(limit.min(ROWS_MAX));
    Explained { rows, more: more as u32 }
}

fn row(workflow: Option<WorkflowIx>, cause: &str, detail: String) -> WaitRow {
    WaitRow { workflow, shard: None, shards: 0, cause: cause.to_owned(), detail, until_ms: None }
}

/// Of shards; none: no row.
fn shards_row(ix: WorkflowIx, shards: &[Shard], (cause, detail): (&str, String)) -> Option<WaitRow> {
    let first = *shards.first()?;
    Some(WaitRow { shard: Some(first), shards: shards.len() as u32, ..row(Some(ix), cause, detail) })
}

fn job_waits(record: &JobRecord) -> Vec<WaitRow> {
    let cancel = record.cancel().map(|cancel| {
        let detail = format!("{} attempts have not confirmed that they stopped", cancel.pending.len());
        WaitRow { until_ms: Some(cancel.order.deadline_ms), ..row(None, "cancel", detail) }
    });
    let ended = record.status().is_terminal() && record.gate().is_some();
    let report = ended.then(|| row(None, "report", "it has ended; a gate has to take its result".into()));
    cancel.into_iter().chain(report).collect()
}

fn waits_of(record: &JobRecord, scene: &Scene<'_>, (ix, workflow): (WorkflowIx, &Workflow)) -> Vec<WaitRow> {
    let Some(spec) = record.spec().workflow(ix) else { return Vec::new() };
    if workflow.status().is_terminal() {
        return Vec::new();
    }
    if !record.is_ready(ix) {
        return vec![dependency(record, ix, spec)];
    }
    let rows = [
        running(record, (ix, workflow)),
        starting(record, (ix, workflow)),
        lost(record, (ix, workflow)),
        retry(scene, (ix, workflow)),
        due(record, scene, (ix, workflow, spec)),
    ];
    rows.into_iter().flatten().collect()
}

fn dependency(record: &JobRecord, ix: WorkflowIx, spec: &WorkflowSpec) -> WaitRow {
    let open = spec.depends_on.iter().copied().filter(|on| !is_done(record, *on));
    let names: Vec<String> = open.map(|on| format!("`{}`", record.name(on))).collect();
    row(Some(ix), "dependency", format!("waits for {}", some(&names)))
}

fn is_done(record: &JobRecord, ix: WorkflowIx) -> bool {
    record.workflow(ix).is_some_and(|workflow| workflow.status().is_success())
}

/// A few of many, in words.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn open_in(workflow: &Workflow, is: impl Fn(AttemptState) -> bool) -> Vec<Shard> {
    let open = workflow.open().filter(|(_, row)| row.last.as_ref().is_some_and(|last| is(last.state)));
    open.map(|(shard, _)| shard).collect()
}

fn workers_of(record: &JobRecord, workflow: &Workflow, shards: &[Shard]) -> String {
    let rows = shards.iter().filter_map(|shard| workflow.shard(*shard));
    let names: BTreeSet<String> =
        rows.filter_map(|row| record.worker_of(&row).map(|worker| worker.name.clone())).collect();
    some(&names.into_iter().collect::<Vec<_>>())
}

fn running(record: &JobRecord, (ix, workflow): (WorkflowIx, &Workflow)) -> Option<WaitRow> {
    let shards = open_in(workflow, |state| state == AttemptState::Running);
    let workers = workers_of(record, workflow, &shards);
    let (cause, verb) = match workflow.status() {
        WorkflowStatus::Cancelling => ("cancel", "being stopped"),
        _ => ("running", "running"),
    };
    shards_row(ix, &shards, (cause, format!("{} {verb} on {workers}", shards.len())))
}

fn starting(record: &JobRecord, (ix, workflow): (WorkflowIx, &Workflow)) -> Option<WaitRow> {
    let shards = open_in(workflow, |state| state != AttemptState::Running);
    let workers = workers_of(record, workflow, &shards);
    let detail = match workflow.is_provisioned() {
        true => format!("{workers} was told to start"),
        false => format!("has cores on {workers} and is being started"),
    };
    shards_row(ix, &shards, ("starting", detail))
}

fn lost(record: &JobRecord, (ix, workflow): (WorkflowIx, &Workflow)) -> Option<WaitRow> {
    let shards: Vec<Shard> = workflow.awaiting().map(|(shard, _)| shard).collect();
    let workers = workers_of(record, workflow, &shards);
    shards_row(ix, &shards, ("lost", format!("waits for {workers} to come back, as `on_lost` says")))
}

fn retry(scene: &Scene<'_>, (ix, workflow): (WorkflowIx, &Workflow)) -> Option<WaitRow> {
    let due: BTreeSet<Shard> = workflow.due(scene.now_ms).collect();
    let later = workflow.retries().filter(|(_, shard)| !due.contains(shard));
    let later: Vec<(u64, Shard)> = later.collect();
    let shards: Vec<Shard> = later.iter().map(|(_, shard)| *shard).collect();
    let until_ms = later.iter().map(|(at_ms, _)| *at_ms).min();
    let detail = "waits out the pause before its next attempt".to_owned();
    Some(WaitRow { until_ms, ..shards_row(ix, &shards, ("retry", detail))? })
}

fn due(
    record: &JobRecord,
    scene: &Scene<'_>,
    (ix, workflow, spec): (WorkflowIx, &Workflow, &WorkflowSpec),
) -> Option<WaitRow> {
    let blocked = record.is_blocked(ix) || record.status().is_terminal();
    let shards: Vec<Shard> = workflow.due(scene.now_ms).filter(|_| !blocked).collect();
    shards_row(ix, &shards, why_not_placed(scene, (spec, shards.len())))
}

/// Why shards that could start have no worker.
fn why_not_placed(scene: &Scene<'_>, (spec, shards): (&WorkflowSpec, usize)) -> (&'static str, String) {
    let open: Vec<Seat> = scene.seats.iter().filter(|seat| seat.is_open()).cloned().collect();
    let fitting: Vec<&Seat> = open.iter().filter(|seat| seat.matches(&spec.constraints)).collect();
    let largest = fitting.iter().map(|seat| seat.cores).max().unwrap_or_default();
    if open.is_empty() {
        return ("workers", no_workers(scene));
    }
    if fitting.is_empty() {
        let wanted: Vec<String> =
            spec.constraints.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        return ("constraints", format!("no worker has {}", wanted.join(", ")));
    }
    if largest < spec.cores {
        let detail = format!("needs {} cores on one worker, the largest that fits has {largest}", spec.cores);
        return ("cores", detail);
    }
    (cause_of(spec), few_cores(scene, (spec, shards)))
}

fn no_workers(scene: &Scene<'_>) -> String {
    let draining = scene.seats.iter().filter(|seat| seat.state.is_live()).count();
    match draining {
        0 => "no worker of this datacenter is alive".into(),
        many => format!("none of the {many} workers takes work: each is draining or out of reach"),
    }
}

const fn cause_of(spec: &WorkflowSpec) -> &'static str {
    match spec.gang {
        true => "gang",
        false => "cores",
    }
}

fn few_cores(scene: &Scene<'_>, (spec, shards): (&WorkflowSpec, usize)) -> String {
    let free = |node: &muster_wire::NodeRef| {
        let seat = scene.seats.iter().find(|seat| seat.node == *node);
        seat.map_or(0, |seat| seat.cores.saturating_sub((scene.free)(seat)))
    };
    let places: Vec<Place> = places(scene.seats, &spec.constraints, free);
    let most = places.iter().map(|place| place.free).max().unwrap_or_default();
    let all: u32 = places.iter().map(|place| place.free).sum();
    match spec.gang {
        true => format!(
            "its {shards} shards start together and need {} cores each; {all} are free, at most {most} on one worker",
            spec.cores
        ),
        false => format!("needs {} free cores on one worker, {most} are free at most", spec.cores),
    }
}

#[cfg(test)]
#[path = "explain_test.rs"]
mod explain_test;
