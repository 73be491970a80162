//! What the shell reads, and the summaries and results that gates get.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_wire::job::{
    AttemptKey, AttemptState, DcResult, Digest, JobStatus, ShardResult, WorkflowResult, WorkflowSummary,
};
use muster_wire::spec::JobSpec;
use muster_wire::{DispatchToken, JobId, NodeId, NodeRef, Shard, WorkflowIx};

use super::cancel::Cancel;
use super::context::Context;
use super::membership::Nodes;
use super::record::JobRecord;
use super::remote::Remote;
use super::shard::{ResultRow, ShardRow};
use super::stats::Stats;
use super::tally::Tally;
use super::workflow::Workflow;

/// An attempt that has not ended.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenAttempt {
    /// Which.
    pub key: AttemptKey,
    /// How far it is.
    pub state: AttemptState,
    /// Its worker process.
    pub worker: NodeRef,
    /// Its cores.
    pub cores: u32,
    /// Its own fence.
    pub dispatch: DispatchToken,
}

impl JobRecord {
    /// The job's id.
    pub const fn job(&self) -> JobId {
        self.job
    }

    /// What to run.
    pub const fn spec(&self) -> &Arc<JobSpec> {
        &self.spec
    }

    /// Of the submission's body.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Where it runs.
    pub fn datacenter(&self) -> &str {
        &self.datacenter
    }

    /// Its status here.
    pub const fn status(&self) -> JobStatus {
        self.status
    }

    /// Why it is so.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Rises with each visible change.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Who leads the job in other datacenters: names by datacenter.
    pub fn siblings(&self) -> BTreeMap<String, String> {
        self.siblings
            .iter()
            .map(|(datacenter, known)| (datacenter.clone(), known.leader.name.clone()))
            .collect()
    }

    /// Worker processes that attempts of it named.
    pub fn workers(&self) -> impl Iterator<Item = &NodeRef> {
        self.workers.iter()
    }

    /// When it times out, ms since 1970.
    pub const fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// When it was created, started and ended, ms since 1970.
    pub const fn times_ms(&self) -> (u64, Option<u64>, Option<u64>) {
        (self.created_at_ms, self.started_at_ms, self.finished_at_ms)
    }

    /// Where results go.
    pub const fn gate(&self) -> Option<&Remote> {
        self.gate.as_ref()
    }

    /// The replicated values.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// The cancel that is not complete.
    pub const fn cancel(&self) -> Option<&Cancel> {
        self.cancel.as_ref()
    }

    /// Errors and unconfirmed attempts of cancels.
    pub fn cancel_errors(&self) -> Vec<String> {
        self.cancel_errors.iter().cloned().collect()
    }

    /// Workflows by how they ended.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// Windows of numbers.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// What membership said.
    pub const fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Results that came after their workflow had ended.
    pub const fn late_results(&self) -> u64 {
        self.late_results
    }

    /// Registered workflows by position.
    pub fn workflows(&self) -> impl Iterator<Item = (WorkflowIx, &Workflow)> {
        self.workflows.iter().map(|(ix, workflow)| (*ix, workflow))
    }

    /// Every attempt that has not ended.
    pub fn open_attempts(&self) -> impl Iterator<Item = OpenAttempt> {
        let rows =
            self.workflows().flat_map(|(ix, workflow)| workflow.open().map(move |(s, row)| (ix, s, row)));
        rows.filter_map(|(ix, shard, row)| self.open_attempt(ix, shard, row))
    }

    /// Cores of open attempts by worker.
    pub fn cores_by_worker(&self) -> BTreeMap<NodeId, u32> {
        let mut cores = BTreeMap::new();
        for open in self.open_attempts() {
            *cores.entry(open.worker.id).or_default() += open.cores;
        }
        cores
    }

    fn open_attempt(&self, workflow: WorkflowIx, shard: Shard, row: &ShardRow) -> Option<OpenAttempt> {
        let last = row.last.as_ref()?;
        Some(OpenAttempt {
            key: AttemptKey { workflow, shard, attempt: last.attempt },
            state: last.state,
            worker: self.workers.get(last.worker)?.clone(),
            cores: last.cores,
            dispatch: last.dispatch,
        })
    }

    /// Workflows that may be dispatched now, with the first shards that are due: at most `shards_max` of each, but all
    /// of a gang.
    pub fn dispatchable(&self, at_ms: u64, shards_max: usize) -> Vec<(WorkflowIx, Vec<Shard>)> {
        let open = self.workflows().filter(|(ix, known)| self.may_dispatch(*ix, known));
        let due = open.map(|(ix, workflow)| {
            let many = self.batch(ix, shards_max);
            (ix, workflow.due(at_ms).take(many).collect::<Vec<_>>())
        });
        due.filter(|(_, shards)| !shards.is_empty()).collect()
    }

    fn batch(&self, ix: WorkflowIx, shards_max: usize) -> usize {
        match self.spec.workflow(ix).is_some_and(|workflow| workflow.gang) {
            true => usize::MAX,
            false => shards_max,
        }
    }

    fn may_dispatch(&self, ix: WorkflowIx, workflow: &Workflow) -> bool {
        let closed = self.status.is_terminal() | workflow.status.is_terminal() | self.is_blocked(ix);
        !closed && self.is_ready(ix)
    }

    /// 0..1 over all shards of the spec.
    pub fn progress(&self) -> f64 {
        let shards = |replicas: u32| f64::from(replicas.max(1));
        let all: f64 = self.spec.workflows.iter().map(|workflow| shards(workflow.replicas)).sum();
        let done: f64 =
            self.workflows.values().map(|workflow| workflow.progress() * shards(workflow.replicas)).sum();
        (done / all.max(1.0)).clamp(0.0, 1.0)
    }

    /// Workflows at a glance.
    pub fn summaries(&self) -> Vec<WorkflowSummary> {
        self.workflows().map(|(ix, workflow)| workflow.summary(ix)).collect()
    }

    /// A workflow's result, as far as it is.
    pub fn workflow_result(&self, ix: WorkflowIx) -> Option<WorkflowResult> {
        let workflow = self.workflow(ix)?;
        let shards = workflow.tried().filter_map(|(shard, row)| self.shard_result(shard, row)).collect();
        Some(WorkflowResult {
            status: workflow.status,
            error: workflow.error.clone(),
            shards,
            stats: (*workflow.stats).clone(),
            started_at_ms: workflow.started_at_ms,
            finished_at_ms: workflow.finished_at_ms,
        })
    }

    fn shard_result(&self, shard: Shard, row: &ShardRow) -> Option<ShardResult> {
        let last = row.last.as_ref()?;
        let ResultRow { exit, outputs, started_at_ms, finished_at_ms } = row.result.as_deref()?.clone();
        let worker = self.workers.get(last.worker).map(|worker| worker.name.clone()).unwrap_or_default();
        Some(ShardResult {
            shard,
            attempt: last.attempt,
            worker,
            exit,
            outputs,
            started_at_ms,
            finished_at_ms,
        })
    }

    /// The job's result here.
    pub fn dc_result(&self) -> DcResult {
        DcResult {
            status: self.status,
            reason: self.reason.clone(),
            context: self.context.values(),
            errors: self.cancel_errors(),
            stats: self.final_history(),
            context_version: self.context.version(),
        }
    }
}

impl Workflow {
    /// The workflow at a glance.
    pub fn summary(&self, ix: WorkflowIx) -> WorkflowSummary {
        WorkflowSummary {
            workflow: ix,
            status: self.status,
            shards: self.counts(),
            attempts: self.attempts,
            progress: self.progress(),
            error: self.error.clone(),
            started_at_ms: self.started_at_ms,
            finished_at_ms: self.finished_at_ms,
        }
    }

    /// 0..1 over all shards: accepted ones count 1, running ones what they say of themselves.
    pub fn progress(&self) -> f64 {
        let fractions =
            self.open().filter_map(|(_, row)| row.last.as_ref().map(|last| last.progress.fraction));
        let done = f64::from(self.counts().succeeded) + fractions.sum::<f64>();
        (done / f64::from(self.replicas.max(1))).clamp(0.0, 1.0)
    }

    /// The first error that a shard gave up with.
    pub fn first_error(&self) -> Option<String> {
        let given_up = self.tried().filter(|(_, row)| row.gave_up());
        given_up.map(|(shard, row)| format!("shard {shard}: {}", row.why())).next()
    }
}

impl ShardRow {
    const fn gave_up(&self) -> bool {
        matches!(self.phase, super::shard::Phase::Failed | super::shard::Phase::Lost)
    }

    fn why(&self) -> String {
        let exit = self.result.as_ref().map(|result| &result.exit);
        match exit {
            Some(exit) => describe(exit),
            None => format!("{} attempts were lost", self.losses),
        }
    }
}

fn describe(exit: &muster_wire::job::Exit) -> String {
    let number = match (exit.code, exit.signal) {
        (Some(code), _) => format!(" {code}"),
        (None, Some(signal)) => format!(" {signal}"),
        (None, None) => String::new(),
    };
    let error = exit.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("{}{number}{error}", exit.kind)
}
