//! `record_sub_workflow_result`: how an attempt ended. The first result wins.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::{AttemptKey, AttemptState, Exit, Outputs, StatTotals};
use serde::{Deserialize, Serialize};

use super::outcome;
use crate::machine::record::JobRecord;
use crate::machine::shard::{AttemptRow, Certainty, Phase, ResultRow, ShardRow, attempt_end};
use crate::machine::state::ManagerJob;
use crate::machine::text::digest64;
use crate::machine::transition::ATTEMPT;

/// Records how an attempt ended. Refused: not the shard's last attempt (`Stale`); another result of it was recorded
/// before (`AlreadyRecorded`). A `lost` last attempt may still report.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RecordSubWorkflowResult {
    /// The attempt.
    pub key: AttemptKey,
    /// How it ended.
    pub exit: Exit,
    /// What it put out.
    pub outputs: Outputs,
    /// Totals of its numbers.
    pub stats: StatTotals,
    /// Worker's wall clock; 0: never started.
    pub started_at_ms: u64,
    /// Worker's wall clock.
    pub finished_at_ms: u64,
}

/// What the result came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// What comes next for the shard.
    pub phase: Phase,
    /// Is every shard of the workflow decided?
    pub all_decided: bool,
    /// The workflow had ended before: kept as late.
    pub late: bool,
}

impl Apply<ManagerJob> for RecordSubWorkflowResult {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.record(state, stamp))
    }
}

impl RecordSubWorkflowResult {
    fn record(self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        let row = record.row(self.key.workflow, self.key.shard).ok_or(Reason::Stale)?;
        let last = row.attempt(self.key.attempt).ok_or(Reason::Stale)?;
        let digest = self.digest()?;
        match self.check(&row, last, digest)? {
            Standing::Repeat => Ok(Outcome::noop(&self.reply(record, false))),
            Standing::New => Ok(self.accept(record, (row, digest), stamp.at_ms)),
        }
    }

    fn check(&self, row: &ShardRow, last: &AttemptRow, digest: u64) -> Result<Standing, Reason> {
        if last.result_digest == digest {
            return Ok(Standing::Repeat);
        }
        match last.state {
            AttemptState::Lost => Ok(self.check_lost(row)),
            state => check_move(state, attempt_end(&self.exit)),
        }
    }

    /// Only a real end is news about a lost attempt, or the certainty that it does not run where the job waits for that.
    fn check_lost(&self, row: &ShardRow) -> Standing {
        let news = ATTEMPT.allows(AttemptState::Lost, attempt_end(&self.exit));
        match news | (row.phase == Phase::Awaiting) {
            true => Standing::New,
            false => Standing::Repeat,
        }
    }

    fn accept(self, record: &mut JobRecord, (row, digest): (ShardRow, u64), at_ms: u64) -> Outcome {
        let late = self.is_late(record);
        record.late_results += u64::from(late);
        if self.exit.is_success() {
            self.add_stats(record);
        }
        self.keep(record, row, digest);
        record.end_attempt(self.key, (&self.exit, Certainty::Certain), at_ms);
        Outcome::applied(&self.reply(record, late))
    }

    fn keep(&self, record: &mut JobRecord, mut row: ShardRow, digest: u64) {
        let Some(mut workflow) = record.workflow(self.key.workflow).cloned() else { return };
        record.keep_result(&mut workflow, &mut row, self.result());
        if let Some(last) = &mut row.last {
            last.result_digest = digest;
        }
        workflow.put(self.key.shard, row);
        record.workflows.insert(self.key.workflow, workflow);
    }

    fn result(&self) -> ResultRow {
        ResultRow {
            exit: self.exit.clone(),
            outputs: self.outputs.clone(),
            started_at_ms: self.started_at_ms,
            finished_at_ms: self.finished_at_ms,
        }
    }

    fn add_stats(&self, record: &mut JobRecord) {
        if let Some(workflow) = record.workflows.get_mut(&self.key.workflow) {
            workflow.add_stats(&self.stats);
        }
    }

    fn is_late(&self, record: &JobRecord) -> bool {
        record.workflow(self.key.workflow).is_some_and(|workflow| workflow.status.is_terminal())
    }

    fn reply(&self, record: &JobRecord, late: bool) -> Recorded {
        let phase = record.row(self.key.workflow, self.key.shard).unwrap_or_default().phase;
        let all_decided = record.workflow(self.key.workflow).is_some_and(|workflow| workflow.is_decided());
        Recorded { phase, all_decided, late }
    }

    fn digest(&self) -> Result<u64, Reason> {
        let bytes = muster_wire::encode(&(self.result(), &self.stats)).map_err(Reason::malformed)?;
        Ok(digest64(&bytes))
    }
}

enum Standing {
    New,
    Repeat,
}

fn check_move(from: AttemptState, to: AttemptState) -> Result<Standing, Reason> {
    match (ATTEMPT.allows(from, to), from.is_open()) {
        (true, _) => Ok(Standing::New),
        (false, true) => Err(Reason::Stale),
        (false, false) => Err(Reason::AlreadyRecorded),
    }
}

#[cfg(test)]
#[path = "record_sub_workflow_result_test.rs"]
mod record_sub_workflow_result_test;
