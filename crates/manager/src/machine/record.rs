//! The job's record: everything that is freed when the job is purged.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};
use muster_machine::Reason;
use muster_wire::job::{AttemptKey, Digest, Exit, JobStatus, WorkflowStatus};
use muster_wire::spec::{JobSpec, OnWorkflowFailure};
use muster_wire::{DispatchToken, JobId, NodeRef, Shard, Token, WorkflowIx};
use serde::{Deserialize, Serialize};

use super::cancel::Cancel;
use super::context::Context;
use super::graph;
use super::membership::Nodes;
use super::remote::Remote;
use super::shard::{Certainty, Policy, ShardRow};
use super::stats::Stats;
use super::tally::Tally;
use super::text::digest64;
use super::transition::job_move;
use super::workers::Workers;
use super::workflow::Workflow;

/// A job in one datacenter. `Clone` is O(1) but for a few short texts.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobRecord {
    pub(super) job: JobId,
    pub(super) spec: Arc<JobSpec>,
    pub(super) digest: Digest,
    pub(super) datacenter: String,
    pub(super) deadline_ms: u64,
    pub(super) status: JobStatus,
    pub(super) reason: Option<String>,
    /// Rises with each visible change.
    pub(super) version: u64,
    pub(super) created_at_ms: u64,
    pub(super) started_at_ms: Option<u64>,
    pub(super) finished_at_ms: Option<u64>,
    pub(super) gate: Option<Remote>,
    pub(super) siblings: OrdMap<String, Remote>,
    pub(super) workflows: OrdMap<WorkflowIx, Workflow>,
    pub(super) tally: Tally,
    pub(super) context: Context,
    pub(super) cancel: Option<Cancel>,
    /// Workflows of every cancel so far: nothing of them is registered, assigned or retried.
    pub(super) blocked: OrdSet<WorkflowIx>,
    pub(super) cancel_errors: Vector<String>,
    pub(super) workers: Workers,
    pub(super) dispatches: u32,
    /// Bytes of outputs and errors kept.
    pub(super) kept_bytes: u64,
    pub(super) late_results: u64,
    pub(super) stats: Stats,
    pub(super) nodes: Nodes,
}

/// How a workflow ends without success.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending<'a> {
    pub(super) status: WorkflowStatus,
    pub(super) error: &'a str,
    pub(super) at_ms: u64,
}

impl JobRecord {
    /// Its workflow at a position, once registered.
    pub fn workflow(&self, ix: WorkflowIx) -> Option<&Workflow> {
        self.workflows.get(&ix)
    }

    /// The row of an attempt's shard, once its workflow is registered.
    pub fn row(&self, workflow: WorkflowIx, shard: Shard) -> Option<ShardRow> {
        self.workflow(workflow).and_then(|known| known.shard(shard))
    }

    /// Is the workflow in the scope of a cancel?
    pub fn is_blocked(&self, ix: WorkflowIx) -> bool {
        self.blocked.contains(&ix)
    }

    /// Have all that it depends on completed?
    pub fn is_ready(&self, ix: WorkflowIx) -> bool {
        let succeeded = |on: &WorkflowIx| self.workflow(*on).is_some_and(|known| known.status.is_success());
        self.spec.workflow(ix).is_some_and(|workflow| workflow.depends_on.iter().all(succeeded))
    }

    /// The first of what it depends on that ended without success.
    pub fn missing_dependency(&self, ix: WorkflowIx) -> Option<WorkflowIx> {
        let failed = |on: &&WorkflowIx| self.workflow(**on).is_some_and(|known| is_lost_cause(known.status));
        self.spec.workflow(ix).and_then(|workflow| workflow.depends_on.iter().find(failed).copied())
    }

    /// Is every workflow of the spec registered and ended?
    pub fn is_all_ended(&self) -> bool {
        self.tally.ended() as usize == self.spec.workflows.len()
    }

    /// The terminal status that the spec's policy gives, once every workflow has ended.
    pub fn verdict(&self, at_ms: u64) -> Option<JobStatus> {
        let ended = self.is_all_ended();
        ended.then(|| self.decide(at_ms))
    }

    fn decide(&self, at_ms: u64) -> JobStatus {
        let strict = self.spec.on_workflow_failure == OnWorkflowFailure::Fail;
        let (failed, overdue) = (self.tally.failed > 0, at_ms >= self.deadline_ms);
        let forced = [
            (self.status == JobStatus::Cancelling, JobStatus::Cancelled),
            (strict & failed, JobStatus::Failed),
            (overdue & (self.tally.cancelled > 0), JobStatus::TimedOut),
        ];
        let first = forced.into_iter().find(|(holds, _)| *holds);
        first.map_or_else(|| self.decide_unforced(failed), |(_, status)| status)
    }

    const fn decide_unforced(&self, failed: bool) -> JobStatus {
        match (self.tally.is_all_completed(), self.tally.completed > 0, failed) {
            (true, _, _) => JobStatus::Completed,
            (_, true, _) => JobStatus::Partial,
            (_, false, true) => JobStatus::Failed,
            (_, false, false) => JobStatus::Cancelled,
        }
    }

    /// Moves the job's status, if its table allows.
    pub(super) fn go(&mut self, to: JobStatus, reason: Option<String>, at_ms: u64) -> Result<(), Reason> {
        job_move(self.status, to)?;
        self.status = to;
        self.version += 1;
        self.reason = reason.or_else(|| self.reason.take());
        if to == JobStatus::Running {
            self.started_at_ms = Some(at_ms);
        }
        if to.is_terminal() {
            self.finished_at_ms = Some(at_ms);
        }
        Ok(())
    }

    /// Moves a workflow's status, if its table allows, and counts it.
    pub(super) fn move_workflow(
        &mut self,
        ix: WorkflowIx,
        to: WorkflowStatus,
        at_ms: u64,
    ) -> Result<(), Reason> {
        let workflow = self.workflows.get_mut(&ix).ok_or_else(|| unknown_workflow(ix))?;
        let from = workflow.status;
        workflow.go(to, at_ms)?;
        if to.is_terminal() {
            workflow.close_idle();
        }
        self.tally.moved(from, to);
        self.version += 1;
        Ok(())
    }

    /// Ends a workflow without success: nothing of it is tried again, and what depends on it is skipped.
    pub(super) fn end_workflow(&mut self, ix: WorkflowIx, ending: &Ending<'_>) -> Result<(), Reason> {
        self.move_workflow(ix, ending.status, ending.at_ms)?;
        if let Some(workflow) = self.workflows.get_mut(&ix) {
            workflow.note_error(ending.error);
        }
        self.skip_dependents(ix, ending.at_ms);
        Ok(())
    }

    fn skip_dependents(&mut self, of: WorkflowIx, at_ms: u64) {
        let mut next = vec![of];
        while let Some(ix) = next.pop() {
            let dependents = graph::dependents(&self.spec, ix);
            next.extend(dependents.into_iter().filter(|dependent| self.skip(*dependent, ix, at_ms)));
        }
    }

    fn skip(&mut self, ix: WorkflowIx, because: WorkflowIx, at_ms: u64) -> bool {
        let why = format!("`{}`, which it depends on, did not complete", self.name(because));
        let skipped = self.move_workflow(ix, WorkflowStatus::Skipped, at_ms).is_ok();
        if let Some(workflow) = self.workflows.get_mut(&ix).filter(|_| skipped) {
            workflow.note_error(&why);
        }
        skipped
    }

    /// A workflow's name; empty when there is none.
    pub fn name(&self, ix: WorkflowIx) -> &str {
        self.spec.workflow(ix).map_or("", |workflow| workflow.name.as_str())
    }

    /// Changes one shard's row.
    pub(super) fn put_row(&mut self, workflow: WorkflowIx, shard: Shard, row: ShardRow) {
        if let Some(known) = self.workflows.get_mut(&workflow) {
            known.put(shard, row);
            self.version += 1;
        }
    }

    /// Ends an attempt: what is used up, what comes next, and what a cancel still waits for.
    pub(super) fn end_attempt(&mut self, key: AttemptKey, (exit, certainty): (&Exit, Certainty), at_ms: u64) {
        let Some(mut row) = self.row(key.workflow, key.shard) else { return };
        row.end(exit, certainty, &self.policy(key, at_ms));
        self.put_row(key.workflow, key.shard, row);
        if let Some(cancel) = &mut self.cancel {
            cancel.pending.remove(&key);
        }
    }

    fn policy(&self, key: AttemptKey, at_ms: u64) -> Policy {
        let spec = self.spec.workflow(key.workflow);
        let ended = self.workflow(key.workflow).is_none_or(|known| known.status.is_terminal());
        Policy {
            retries: spec.map_or(0, |workflow| workflow.retries),
            backoff_ms: spec.map_or(0, |workflow| workflow.backoff_ms),
            on_lost: self.spec.on_lost,
            blocked: ended | self.is_blocked(key.workflow),
            at_ms,
            spread: spread(self.job, key),
        }
    }

    /// The next dispatch under `token`.
    pub(super) const fn next_dispatch(&mut self, token: Token) -> DispatchToken {
        self.dispatches = self.dispatches.wrapping_add(1);
        DispatchToken::new(token, self.dispatches)
    }

    /// The worker process of an attempt.
    pub fn worker_of(&self, row: &ShardRow) -> Option<&NodeRef> {
        row.last.as_ref().and_then(|last| self.workers.get(last.worker))
    }

    /// Rebuilds what a snapshot leaves out.
    pub(super) fn reindex(&mut self) {
        self.workers.reindex();
        self.workflows = self.workflows.iter().map(|(ix, workflow)| (*ix, reindexed(workflow))).collect();
    }
}

fn reindexed(workflow: &Workflow) -> Workflow {
    let mut workflow = workflow.clone();
    workflow.reindex();
    workflow
}

fn is_lost_cause(status: WorkflowStatus) -> bool {
    status.is_terminal() & !status.is_success()
}

/// A workflow that the job does not have or that is not registered.
pub(super) fn unknown_workflow(ix: WorkflowIx) -> Reason {
    Reason::malformed(format!("the job has no registered workflow {ix}"))
}

fn spread(job: JobId, key: AttemptKey) -> u64 {
    let numbers = [key.workflow.0, key.shard.0, key.attempt.0].map(u32::to_be_bytes).concat();
    digest64(&[job.0.to_be_bytes().as_slice(), &numbers].concat())
}
