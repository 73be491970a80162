//! Turns what managers report into one entry of the job's group.

use std::collections::BTreeMap;

use muster_consensus::View;
use muster_machine::Entry;
use muster_wire::CodecError;
use muster_wire::WorkflowIx;
use muster_wire::job::{JobStatus, WorkflowResult, WorkflowSummary};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::gate::{ReportJob, ReportProgress, ReportWorkflow, Reporter};

use crate::machine::commands::{
    DcSummaries, ManagerMode, PROGRESS_BYTES_MAX, SetDcResult, SetJob, SetWorkflowDcResult, UpdateDcManager,
};
use crate::machine::{Dc, DcManager, GateJob};

/// Room for the names around the rows of one command's progress, bytes.
const ROWS_BYTES_MAX: usize = PROGRESS_BYTES_MAX - 4 * 1024;

/// What a manager has to say, and what is to be committed for it.
pub trait Report: Send + Sync {
    /// Who reports.
    fn from(&self) -> &Reporter;

    /// Adds the report's own commands.
    fn push(&self, entry: &mut Entry, state: &GateJob) -> Result<(), CodecError>;
}

/// The entry of a report, under the job's present token; `Err` when the reporter is fenced or unknown.
pub fn entry_of(report: &dyn Report, view: &View<GateJob>, at_ms: u64) -> Result<Entry, RpcError> {
    let state = &view.state;
    check(report.from(), state)?;
    let mut entry = Entry::new(report.from().job, view.token(), at_ms);
    push_manager(report.from(), state, &mut entry)
        .and_then(|()| report.push(&mut entry, state))
        .map_err(|error| RpcError::Malformed(error.to_string()))?;
    Ok(entry)
}

/// Refuses whoever reports under an older lease, or leads no more.
pub fn check(from: &Reporter, state: &GateJob) -> Result<(), RpcError> {
    let Some(dc) = state.dc(&from.datacenter) else { return Err(RpcError::UnknownJob) };
    let newest = dc.manager.as_ref().map(|manager| manager.token);
    if dc.is_lost() || from.dc_token < dc.token {
        return Err(RpcError::Fenced { by: dc.token });
    }
    match newest.filter(|newest| from.manager_token < *newest) {
        Some(by) => Err(RpcError::Fenced { by }),
        None => Ok(()),
    }
}

/// The job's leader there has changed, or has taken the job before it answered.
fn push_manager(from: &Reporter, state: &GateJob, entry: &mut Entry) -> Result<(), CodecError> {
    let Some(dc) = state.dc(&from.datacenter) else { return Ok(()) };
    let is_same = dc.manager.as_ref().is_some_and(|known| is_leader(known, from));
    if is_same && dc.has_accepted() {
        return Ok(());
    }
    let mode = mode_of(dc.manager.is_some() && !is_same);
    let (dc, manager) = (from.datacenter.clone(), from.manager.clone());
    let (dc_token, manager_token) = (from.dc_token, from.manager_token);
    entry.push(&UpdateDcManager { dc, dc_token, manager, manager_token, mode })
}

const fn mode_of(is_change: bool) -> ManagerMode {
    match is_change {
        true => ManagerMode::Transfer,
        false => ManagerMode::Assign,
    }
}

fn is_leader(known: &DcManager, from: &Reporter) -> bool {
    (known.token, &known.node) == (from.manager_token, &from.manager)
}

/// Summaries that say something new, in as many commands as their bound needs.
fn push_summaries(entry: &mut Entry, state: &GateJob, said: Said<'_>) -> Result<(), CodecError> {
    let Some(record) = state.record.as_ref().filter(|record| !record.status.is_terminal()) else {
        return Ok(());
    };
    let Some(dc) = state.dc(&said.from.datacenter) else { return Ok(()) };
    for (version, workflows) in (record.record_version..).zip(said.changed(dc)) {
        let summaries = DcSummaries { dc_token: said.from.dc_token, status: said.status, workflows };
        let progress = BTreeMap::from([(said.from.datacenter.clone(), summaries)]);
        entry.push(&SetJob { progress, ..SetJob::at(version) })?;
    }
    Ok(())
}

/// A datacenter's summaries.
struct Said<'a> {
    from: &'a Reporter,
    status: JobStatus,
    workflows: &'a [WorkflowSummary],
}

impl Said<'_> {
    /// The rows that differ from what is known, cut into pieces that fit a command. A new status alone is one piece.
    fn changed(&self, dc: &Dc) -> Vec<Vec<WorkflowSummary>> {
        let known = dc.progress.as_ref().filter(|known| known.dc_token == self.from.dc_token);
        let is_new = |row: &&WorkflowSummary| {
            known.and_then(|known| known.workflows.get(&row.workflow)).is_none_or(|old| **old != **row)
        };
        let pieces = pieces(self.workflows.iter().filter(is_new));
        match pieces.is_empty() && known.is_none_or(|known| known.status != self.status) {
            true => vec![Vec::new()],
            false => pieces,
        }
    }
}

fn pieces<'a>(rows: impl Iterator<Item = &'a WorkflowSummary>) -> Vec<Vec<WorkflowSummary>> {
    let mut pieces: Vec<Vec<WorkflowSummary>> = Vec::new();
    let mut bytes = usize::MAX;
    for row in rows {
        let more = muster_wire::encode(row).map_or(0, |row| row.len());
        bytes = bytes.saturating_add(more);
        if bytes > ROWS_BYTES_MAX {
            pieces.push(Vec::new());
            bytes = more;
        }
        pieces.extend_last(row.clone());
    }
    pieces
}

/// Adds to the last of several lists.
trait ExtendLast<T> {
    fn extend_last(&mut self, item: T);
}

impl<T> ExtendLast<T> for Vec<Vec<T>> {
    fn extend_last(&mut self, item: T) {
        if let Some(last) = self.last_mut() {
            last.push(item);
        }
    }
}

impl Report for ReportProgress {
    fn from(&self) -> &Reporter {
        &self.from
    }

    fn push(&self, entry: &mut Entry, state: &GateJob) -> Result<(), CodecError> {
        push_summaries(
            entry,
            state,
            Said { from: &self.from, status: self.status, workflows: &self.workflows },
        )
    }
}

fn push_workflow(
    entry: &mut Entry,
    from: &Reporter,
    (workflow, result): (WorkflowIx, &WorkflowResult),
) -> Result<(), CodecError> {
    let (dc, dc_token, result) = (from.datacenter.clone(), from.dc_token, result.clone());
    entry.push(&SetWorkflowDcResult { workflow, dc, dc_token, result })
}

impl Report for ReportWorkflow {
    fn from(&self) -> &Reporter {
        &self.from
    }

    fn push(&self, entry: &mut Entry, _: &GateJob) -> Result<(), CodecError> {
        push_workflow(entry, &self.from, (self.workflow, &self.result))
    }
}

impl Report for ReportJob {
    fn from(&self) -> &Reporter {
        &self.from
    }

    fn push(&self, entry: &mut Entry, state: &GateJob) -> Result<(), CodecError> {
        let status = self.result.status;
        push_summaries(entry, state, Said { from: &self.from, status, workflows: &self.workflows })?;
        for told in &self.results {
            push_workflow(entry, &self.from, (told.workflow, &told.result))?;
        }
        entry.push(&SetDcResult {
            dc: self.from.datacenter.clone(),
            dc_token: self.from.dc_token,
            result: self.result.clone(),
        })
    }
}

#[cfg(test)]
#[path = "report_test.rs"]
mod report_test;
