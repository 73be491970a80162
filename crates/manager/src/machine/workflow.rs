//! One workflow: its status, its shards, and indexes over them that one function keeps.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use muster_machine::Reason;
use muster_wire::Shard;
use muster_wire::job::{AttemptState, ShardCounts, ShardState, StatTotals, WorkflowStatus};
use serde::{Deserialize, Serialize};

use super::limits::{ERROR_BYTES_MAX, STAT_NAMES_MAX};
use super::shard::{Phase, ShardRow};
use super::stats::add_totals;
use super::text::cut;
use super::transition::workflow_move;

/// One registered workflow. `Clone` is O(1).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Workflow {
    pub(super) status: WorkflowStatus,
    pub(super) replicas: u32,
    pub(super) error: Option<String>,
    pub(super) started_at_ms: Option<u64>,
    pub(super) finished_at_ms: Option<u64>,
    pub(super) attempts: u32,
    pub(super) stats: Arc<StatTotals>,
    pub(super) output_bytes: u64,
    /// Why its outputs cannot be merged, if so.
    pub(super) unmergeable: Option<String>,
    shards: OrdMap<Shard, ShardRow>,
    #[serde(skip)]
    index: Index,
}

/// Derived from the rows; a shard without a row waits and was never tried.
#[derive(Clone, PartialEq, Debug, Default)]
struct Index {
    waiting: OrdSet<Shard>,
    retries: OrdSet<(u64, Shard)>,
    open: OrdSet<Shard>,
    awaiting: OrdSet<Shard>,
    counts: ShardCounts,
    decided: u32,
    given_up: u32,
    ready_to_start: u32,
}

impl Workflow {
    /// A pending workflow of so many shards.
    pub fn new(replicas: u32) -> Self {
        let mut workflow = Self {
            status: WorkflowStatus::Pending,
            replicas,
            error: None,
            started_at_ms: None,
            finished_at_ms: None,
            attempts: 0,
            stats: Arc::default(),
            output_bytes: 0,
            unmergeable: None,
            shards: OrdMap::new(),
            index: Index::default(),
        };
        workflow.reindex();
        workflow
    }

    /// Builds the indexes from the rows, after a restore.
    pub(super) fn reindex(&mut self) {
        self.index = Index::default();
        self.index.counts.total = self.replicas;
        let rows = self.shards.clone();
        for shard in (0..self.replicas).map(Shard) {
            let row = rows.get(&shard).cloned().unwrap_or_default();
            self.index.add(shard, &row);
        }
    }

    /// Its status.
    pub const fn status(&self) -> WorkflowStatus {
        self.status
    }

    /// Why it failed, was skipped or cancelled.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Why its outputs cannot be merged.
    pub fn unmergeable(&self) -> Option<&str> {
        self.unmergeable.as_deref()
    }

    /// Shards by state.
    pub const fn counts(&self) -> ShardCounts {
        self.index.counts
    }

    /// One shard; a default row when it was never tried, `None` beyond the workflow's shards.
    pub fn shard(&self, shard: Shard) -> Option<ShardRow> {
        let known = shard.0 < self.replicas;
        known.then(|| self.shards.get(&shard).cloned().unwrap_or_default())
    }

    /// Shards that were tried at least once.
    pub fn tried(&self) -> impl Iterator<Item = (Shard, &ShardRow)> {
        self.shards.iter().map(|(shard, row)| (*shard, row))
    }

    /// Shards with an open attempt.
    pub fn open(&self) -> impl Iterator<Item = (Shard, &ShardRow)> {
        self.index.open.iter().filter_map(|shard| self.shards.get(shard).map(|row| (*shard, row)))
    }

    /// Shards that wait for their vanished worker.
    pub fn awaiting(&self) -> impl Iterator<Item = (Shard, &ShardRow)> {
        self.index.awaiting.iter().filter_map(|shard| self.shards.get(shard).map(|row| (*shard, row)))
    }

    /// Shards that may be dispatched at `at_ms`, by number.
    pub fn due(&self, at_ms: u64) -> impl Iterator<Item = Shard> {
        self.index.waiting.iter().copied().filter(move |shard| self.is_due(*shard, at_ms))
    }

    fn is_due(&self, shard: Shard, at_ms: u64) -> bool {
        self.shards.get(&shard).is_none_or(|row| row.not_before_ms <= at_ms)
    }

    /// When the next waiting shard may be tried again.
    pub fn next_retry_ms(&self) -> Option<u64> {
        self.index.retries.get_min().map(|(at_ms, _)| *at_ms)
    }

    /// Shards that wait for a retry, by its time.
    pub fn retries(&self) -> impl Iterator<Item = (u64, Shard)> {
        self.index.retries.iter().copied()
    }

    /// How many shards wait for a dispatch, those whose retry is not due included.
    pub fn waiting(&self) -> usize {
        self.index.waiting.len()
    }

    /// Has it an open attempt?
    pub fn is_busy(&self) -> bool {
        !self.index.open.is_empty()
    }

    /// Shards for which no attempt will follow.
    pub const fn decided(&self) -> u32 {
        self.index.decided
    }

    /// Is every shard decided?
    pub const fn is_decided(&self) -> bool {
        self.index.decided == self.replicas
    }

    /// Was every shard accepted?
    pub const fn is_all_succeeded(&self) -> bool {
        self.index.counts.succeeded == self.replicas
    }

    /// Shards that failed or were lost for good.
    pub const fn given_up(&self) -> u32 {
        self.index.given_up
    }

    /// Has every undecided shard a confirmed worker? The start barrier of a gang.
    pub const fn is_provisioned(&self) -> bool {
        self.index.ready_to_start + self.index.decided == self.replicas
    }

    /// Writes a row and keeps the indexes: the only way a shard changes.
    pub(super) fn put(&mut self, shard: Shard, row: ShardRow) {
        let old = self.shards.get(&shard).cloned().unwrap_or_default();
        self.index.remove(shard, &old);
        self.index.add(shard, &row);
        self.shards.insert(shard, row);
    }

    /// Moves the status, if its table allows.
    pub(super) fn go(&mut self, to: WorkflowStatus, at_ms: u64) -> Result<(), Reason> {
        workflow_move(self.status, to)?;
        self.status = to;
        match to {
            WorkflowStatus::Pending => self.started_at_ms = None,
            WorkflowStatus::Assigned => self.note_start(at_ms),
            WorkflowStatus::Completed => {
                self.note_start(at_ms);
                self.note_end(at_ms);
            }
            _ => self.note_end(at_ms),
        }
        Ok(())
    }

    fn note_start(&mut self, at_ms: u64) {
        self.started_at_ms = self.started_at_ms.or(Some(at_ms));
    }

    fn note_end(&mut self, at_ms: u64) {
        if self.status.is_terminal() {
            self.finished_at_ms = self.finished_at_ms.or(Some(at_ms));
        }
    }

    /// Keeps the first error.
    pub(super) fn note_error(&mut self, error: &str) {
        if self.error.is_none() {
            self.error = Some(cut(error, ERROR_BYTES_MAX));
        }
    }

    /// Keeps the first reason why outputs cannot be merged.
    pub(super) fn note_unmergeable(&mut self, why: &str) {
        if self.unmergeable.is_none() {
            self.unmergeable = Some(cut(why, ERROR_BYTES_MAX));
        }
    }

    /// Adds a shard's totals.
    pub(super) fn add_stats(&mut self, totals: &StatTotals) {
        let mut sum = (*self.stats).clone();
        let dropped = add_totals(&mut sum, totals);
        if dropped > 0 {
            self.note_unmergeable(&format!("more than {STAT_NAMES_MAX} names of numbers"));
        }
        self.stats = Arc::new(sum);
    }

    /// No further attempt: shards that wait, for a start or for a worker, are cancelled.
    pub(super) fn close_idle(&mut self) {
        let idle: Vec<Shard> = self.index.waiting.iter().chain(self.index.awaiting.iter()).copied().collect();
        for shard in idle {
            let mut row = self.shards.get(&shard).cloned().unwrap_or_default();
            row.phase = Phase::Cancelled;
            self.put(shard, row);
        }
    }
}

impl Index {
    fn add(&mut self, shard: Shard, row: &ShardRow) {
        self.tally(row, u32::wrapping_add);
        match row.phase {
            Phase::Waiting => self.add_waiting(shard, row.not_before_ms),
            Phase::Open => drop(self.open.insert(shard)),
            Phase::Awaiting => drop(self.awaiting.insert(shard)),
            Phase::Succeeded | Phase::Failed | Phase::Lost | Phase::Cancelled => {}
        }
    }

    fn add_waiting(&mut self, shard: Shard, not_before_ms: u64) {
        self.waiting.insert(shard);
        if not_before_ms > 0 {
            self.retries.insert((not_before_ms, shard));
        }
    }

    fn remove(&mut self, shard: Shard, row: &ShardRow) {
        self.tally(row, u32::wrapping_sub);
        self.waiting.remove(&shard);
        self.retries.remove(&(row.not_before_ms, shard));
        self.open.remove(&shard);
        self.awaiting.remove(&shard);
    }

    fn tally(&mut self, row: &ShardRow, change: fn(u32, u32) -> u32) {
        let count = self.count_of(row.state());
        *count = change(*count, 1);
        self.decided = change(self.decided, u32::from(row.phase.is_decided()));
        self.given_up = change(self.given_up, u32::from(matches!(row.phase, Phase::Failed | Phase::Lost)));
        self.ready_to_start = change(self.ready_to_start, u32::from(is_ready_to_start(row)));
    }

    const fn count_of(&mut self, state: ShardState) -> &mut u32 {
        match state {
            ShardState::Pending => &mut self.counts.pending,
            ShardState::Running => &mut self.counts.running,
            ShardState::Succeeded => &mut self.counts.succeeded,
            ShardState::Failed => &mut self.counts.failed,
            ShardState::Lost => &mut self.counts.lost,
            ShardState::Cancelled => &mut self.counts.cancelled,
        }
    }
}

/// Has it a confirmed worker, or does it run already?
fn is_ready_to_start(row: &ShardRow) -> bool {
    let state = row.last.as_ref().map(|last| last.state);
    matches!(state, Some(AttemptState::Provisioned | AttemptState::Running))
}
