//! What the tests of the machine share: a small job, and a bench that applies entries to one replica of it.

use std::collections::BTreeMap;

use muster_machine::{Apply, Entry, EntryReply, Machine as _, Outcome, Replica};
use muster_wire::job::{
    CancelOrder, CancelScope, DcResult, Digest, JobStatus, ShardCounts, WorkflowResult, WorkflowStatus,
    WorkflowSummary,
};
use muster_wire::spec::{JobSpec, OnDcLost, OnLost, OnWorkflowFailure, Require, WorkflowSpec};
use muster_wire::{Generation, GroupId, JobId, MemberNumber, NodeId, NodeRef, Token, WorkflowIx};

use super::commands::*;
use super::state::GateJob;

/// When every bench starts, ms since 1970.
pub(crate) const START_MS: u64 = 1_795_000_000_000;

pub(crate) fn node(id: u8) -> NodeRef {
    NodeRef {
        id: NodeId(u128::from(id)),
        generation: Generation(1),
        member: MemberNumber(u32::from(id)),
        name: format!("g{id}"),
        addr: format!("g{id}:7401"),
    }
}

pub(crate) fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

fn workflow(name: &str, depends_on: Vec<WorkflowIx>) -> WorkflowSpec {
    WorkflowSpec {
        name: name.into(),
        command: vec!["true".into()],
        replicas: 2,
        cores: 1,
        env: BTreeMap::new(),
        timeout_ms: 60_000,
        retries: 0,
        backoff_ms: 1_000,
        grace_ms: 10_000,
        gang: false,
        constraints: BTreeMap::new(),
        depends_on,
    }
}

pub(crate) fn spec(require: Require) -> JobSpec {
    JobSpec {
        name: "nightly".into(),
        timeout_ms: 600_000,
        datacenters: vec![],
        datacenter_count: 2,
        require,
        on_workflow_failure: OnWorkflowFailure::Fail,
        on_lost: OnLost::Retry,
        on_dc_lost: OnDcLost::Wait,
        retention_ms: 3_600_000,
        priority: 50,
        labels: BTreeMap::new(),
        context: BTreeMap::new(),
        workflows: vec![workflow("prepare", vec![]), workflow("index", vec![WorkflowIx(0)])],
    }
}

pub(crate) fn order(scope: CancelScope) -> CancelOrder {
    let deadline_ms = START_MS + 60_000;
    CancelOrder { scope, reason: "no need".into(), requester: "ann".into(), grace_ms: None, deadline_ms }
}

pub(crate) fn dc_result(status: JobStatus) -> DcResult {
    DcResult {
        status,
        reason: None,
        context: BTreeMap::new(),
        errors: vec![],
        stats: Default::default(),
        context_version: 0,
    }
}

pub(crate) fn workflow_result(status: WorkflowStatus) -> WorkflowResult {
    WorkflowResult {
        status,
        error: None,
        shards: vec![],
        stats: BTreeMap::new(),
        started_at_ms: None,
        finished_at_ms: None,
    }
}

/// A running workflow of two shards, of which so many have succeeded.
pub(crate) fn summary(ix: u32, succeeded: u32) -> WorkflowSummary {
    let shards = ShardCounts { total: 2, running: 2 - succeeded, succeeded, ..ShardCounts::default() };
    let progress = f64::from(succeeded) / 2.0;
    let status = WorkflowStatus::Running;
    let workflow = WorkflowIx(ix);
    WorkflowSummary {
        workflow,
        status,
        shards,
        attempts: 2,
        progress,
        error: None,
        started_at_ms: None,
        finished_at_ms: None,
    }
}

/// One replica of one job, and the position of its next entry.
pub(crate) struct Bench {
    pub(crate) replica: Replica<GateJob>,
    pub(crate) at_ms: u64,
    index: u64,
}

impl Bench {
    /// Registered, nothing else.
    pub(crate) fn blank() -> Self {
        let job = JobId::new(START_MS, 7);
        Self { replica: Replica::born(GroupId(5), job), at_ms: START_MS, index: 1 }
    }

    /// Accepted by gate 1 under token 1; targets `a` and `b`, `c` stands by.
    pub(crate) fn submitted() -> Self {
        Self::submitted_as(spec(Require::All))
    }

    pub(crate) fn submitted_as(spec: JobSpec) -> Self {
        let mut bench = Self::blank();
        let reply = bench.entry(bundle(bench.job_id(), spec));
        assert_eq!(reply.undone_by, None, "{reply:?}");
        bench
    }

    /// Submitted, with leases for `a` and `b` (datacenter token 1).
    pub(crate) fn leased() -> Self {
        let mut bench = Self::submitted();
        bench.lease("a");
        bench.lease("b");
        bench
    }

    /// Failed before it ran.
    pub(crate) fn ended() -> Self {
        let mut bench = Self::submitted();
        bench.move_to(JobStatus::Failed);
        bench
    }

    /// Purged after it failed.
    pub(crate) fn purged() -> Self {
        let mut bench = Self::ended();
        bench.run(1, DeleteJob { requester: "ann".into() });
        bench
    }

    pub(crate) fn job(&self) -> &GateJob {
        self.replica.machine()
    }

    pub(crate) fn job_id(&self) -> JobId {
        self.job().job
    }

    pub(crate) fn lease(&mut self, dc: &str) -> LeaseGiven {
        let command = lease(dc, node(1), self.at_ms);
        self.run(self.token(), command).reply().unwrap()
    }

    pub(crate) fn token(&self) -> u64 {
        self.job().token().0
    }

    /// The next `set_job` of this record.
    pub(crate) fn change(&self) -> SetJob {
        SetJob::at(self.job().record.as_ref().map_or(0, |record| record.record_version))
    }

    pub(crate) fn move_to(&mut self, status: JobStatus) -> Outcome {
        let command = self.change().to(status, "test");
        self.run(0, command)
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        self.at_ms += ms;
    }

    /// Applies one command; a repeat or a refusal must leave the state as it was, byte for byte.
    pub(crate) fn run<C: Apply<GateJob>>(&mut self, token: u64, command: C) -> Outcome {
        let before = self.job().encode().unwrap();
        let entry = Entry::new(self.job_id(), Token(token), self.at_ms).with(&command).unwrap();
        let outcome = self.entry(entry).outcomes.remove(0);
        let is_same = before == self.job().encode().unwrap();
        assert_eq!(!is_same, matches!(outcome, Outcome::Applied(_)), "{} {outcome:?}", C::NAME);
        outcome
    }

    pub(crate) fn entry(&mut self, entry: Entry) -> EntryReply {
        self.index += 1;
        self.replica.apply(self.index, &entry.encode().unwrap()).unwrap()
    }
}

pub(crate) fn lease(dc: &str, holder: NodeRef, at_ms: u64) -> CreateLease {
    CreateLease { dc: dc.into(), holder, expires_at_ms: at_ms + 30_000, dc_lost_timeout_ms: 30_000 }
}

pub(crate) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

pub(crate) fn bundle(job: JobId, spec: JobSpec) -> Entry {
    let submission = SetJobSubmission { spec, digest: digest(1), key: Some("k".into()) };
    Entry::new(job, Token(1), START_MS)
        .with(&SetJob::creation())
        .and_then(|entry| entry.with(&submission))
        .and_then(|entry| entry.with(&SetTargetDcs { dcs: names(&["a", "b", "c"]), wanted: 2 }))
        .and_then(|entry| entry.with(&AssumeGateLeadership { node: node(1) }))
        .unwrap()
}

/// One line of the conformance table.
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) claim: &'static str,
    pub(crate) run: fn() -> Outcome,
}

/// What a case shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Success,
    Repeat,
    /// A refusal with this word.
    Refusal(&'static str),
}

pub(crate) const fn success(claim: &'static str, run: fn() -> Outcome) -> Case {
    Case { kind: Kind::Success, claim, run }
}

pub(crate) const fn repeat(claim: &'static str, run: fn() -> Outcome) -> Case {
    Case { kind: Kind::Repeat, claim, run }
}

pub(crate) const fn refusal(word: &'static str, claim: &'static str, run: fn() -> Outcome) -> Case {
    Case { kind: Kind::Refusal(word), claim, run }
}
