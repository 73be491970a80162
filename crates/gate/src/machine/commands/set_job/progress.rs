//! The progress part of `set_job`: counters never fall under one datacenter token.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use muster_machine::{Reason, Stamp};
use muster_wire::job::WorkflowSummary;

use super::DcSummaries;
use crate::machine::commands::{bytes_of, ensure};
use crate::machine::state::GateJob;
use crate::machine::{Dc, DcProgress, What};

/// Largest progress of one command, encoded.
pub const PROGRESS_BYTES_MAX: usize = 64 * 1024;

/// Takes what datacenters said about their workflows. A job that has ended takes nothing.
pub(super) fn report(
    job: &mut GateJob,
    said: BTreeMap<String, DcSummaries>,
    stamp: Stamp,
) -> Result<bool, Reason> {
    let bytes = said.len().min(1) * bytes_of(&said);
    ensure(bytes <= PROGRESS_BYTES_MAX, || Reason::TooLarge { what: "progress".into() })?;
    if job.is_terminal() {
        return Ok(false);
    }
    let mut changed = false;
    for (name, summaries) in said {
        changed |= take(job, &name, summaries, stamp)?;
    }
    Ok(changed)
}

fn take(job: &mut GateJob, name: &str, said: DcSummaries, stamp: Stamp) -> Result<bool, Reason> {
    let dc = job.known_dc(name)?;
    dc.check_token(said.dc_token).map_err(|_| Reason::Stale)?;
    let before = dc.clone();
    let rows = merge(dc, said)?;
    if dc.progress == before.progress {
        return Ok(false);
    }
    dc.heard_at_ms = stamp.at_ms;
    let after = dc.clone();
    note_changes(job, name, (&before, &after, &rows), stamp);
    Ok(true)
}

/// Puts the rows into the datacenter's progress; gives those back whose status changed.
fn merge(dc: &mut Dc, said: DcSummaries) -> Result<Vec<Arc<WorkflowSummary>>, Reason> {
    let known = dc.progress.take();
    let is_same_run = known.as_ref().is_some_and(|known| known.dc_token == said.dc_token);
    let mut workflows = known.map_or_else(OrdMap::new, |known| known.workflows);
    let mut moved = Vec::new();
    for row in said.workflows {
        let old = workflows.get(&row.workflow).cloned();
        ensure(!(is_same_run && falls(old.as_deref(), &row)), || Reason::Stale)?;
        let row = Arc::new(row);
        workflows.insert(row.workflow, row.clone());
        moved.extend((old.map(|old| old.status) != Some(row.status)).then_some(row));
    }
    dc.progress = Some(DcProgress { dc_token: said.dc_token, status: said.status, workflows });
    Ok(moved)
}

fn falls(old: Option<&WorkflowSummary>, new: &WorkflowSummary) -> bool {
    let Some(old) = old else { return false };
    let counters = |row: &WorkflowSummary| [row.shards.succeeded, row.shards.failed, row.attempts];
    let reopened = old.status.is_terminal() && !new.status.is_terminal();
    reopened || counters(old).iter().zip(counters(new)).any(|(old, new)| *old > new)
}

fn note_changes(job: &mut GateJob, name: &str, change: (&Dc, &Dc, &[Arc<WorkflowSummary>]), stamp: Stamp) {
    let (before, after, rows) = change;
    for row in rows {
        job.note(What::Workflow { dc: name.to_owned(), workflow: row.workflow, status: row.status }, stamp);
    }
    let (completed, failed, _) = after.shard_counts();
    if (completed, failed, after.fraction())
        == (before.shard_counts().0, before.shard_counts().1, before.fraction())
    {
        return;
    }
    job.note(What::Progress { dc: name.to_owned(), completed, failed, fraction: after.fraction() }, stamp);
}
