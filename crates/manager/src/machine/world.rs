//! What the tests of the machine are written with: a replica at a named stage, and one builder a command.

use std::collections::BTreeMap;

use muster_machine::{Apply, Command, Entry, EntryReply, Machine as _, Replica};
use muster_wire::job::{
    AttemptKey, AttemptState, CancelOrder, CancelScope, Digest, Exit, ExitKind, JobStatus, StatTotal,
    WorkflowStatus,
};
use muster_wire::spec::{ContextValue, JobSpec, OnDcLost, OnLost, OnWorkflowFailure, Require, WorkflowSpec};
use muster_wire::{Attempt, Generation, GroupId, JobId, NodeId, NodeRef, Role, Shard, Token, WorkflowIx};

use super::commands::*;
use super::record::JobRecord;
use super::shard::{Progress, ShardRow};
use super::stats::{Window, WindowRow};
use super::workflow::Workflow;
use super::{ManagerJob, NodeEvent, Updates};
use muster_wire::stats::Histogram;

pub(crate) const START_MS: u64 = 1_000_000;

pub(crate) struct World {
    pub(crate) replica: Replica<ManagerJob>,
    at_ms: u64,
    index: u64,
}

impl World {
    pub(crate) fn empty() -> Self {
        Self { replica: Replica::born(GroupId(7), JobId(1)), at_ms: START_MS, index: 0 }
    }

    pub(crate) fn created() -> Self {
        Self::with(&create_job())
    }

    fn with(create: &CreateJob) -> Self {
        let mut world = Self::empty();
        world.applied(create);
        world
    }

    pub(crate) fn led() -> Self {
        let mut world = Self::created();
        world.applied(&assume(1));
        world
    }

    pub(crate) fn registered_with(create: &CreateJob) -> Self {
        let mut world = Self::with(create);
        world.applied(&assume(1));
        world.register()
    }

    pub(crate) fn registered() -> Self {
        Self::led().register()
    }

    fn register(mut self) -> Self {
        for workflow in [0, 1].map(WorkflowIx) {
            self.applied(&RegisterWorkflow { workflow });
        }
        self
    }

    pub(crate) fn started() -> Self {
        Self::registered().start()
    }

    pub(crate) fn started_with(on_lost: OnLost) -> Self {
        let mut create = create_job();
        create.spec.on_lost = on_lost;
        let mut world = Self::with(&create);
        world.applied(&assume(1));
        world.register().start()
    }

    fn start(mut self) -> Self {
        for shard in [0, 1] {
            self.applied(&reserve(0, shard, 1));
            self.applied(&provision(0, shard, 1));
        }
        self
    }

    pub(crate) fn one_completed() -> Self {
        let mut world = Self::started();
        world.applied(&result(0, 0, Exit::code(0)));
        world.applied(&result(0, 1, Exit::code(0)));
        world.applied(&completed(0));
        world
    }

    pub(crate) fn failed() -> Self {
        let mut world = Self::started();
        world.fail_attempt(0, 0, 1);
        world.pass(60_000);
        world.applied(&reserve(0, 0, 2));
        world.fail_attempt(0, 0, 2);
        world.applied(&failed(0));
        world
    }

    pub(crate) fn completed() -> Self {
        let mut world = Self::one_completed();
        world.applied(&reserve(1, 0, 1));
        world.applied(&result(1, 0, Exit::code(0)));
        world.applied(&completed(1));
        for status in [JobStatus::Running, JobStatus::Completing, JobStatus::Completed] {
            world.applied(&set_job(status));
        }
        world
    }

    pub(crate) fn cancelling() -> Self {
        let mut world = Self::started();
        world.applied(&cancel_job());
        world
    }

    pub(crate) fn purged() -> Self {
        let mut world = Self::completed();
        world.applied(&purge());
        world
    }

    pub(crate) fn taken_over() -> Self {
        let mut world = Self::started();
        world.applied(&takeover(2, 1));
        world
    }

    pub(crate) fn fail_attempt(&mut self, workflow: u32, shard: u32, attempt: u32) {
        let mut row = result(workflow, shard, Exit::code(1));
        row.key.attempt = Attempt(attempt);
        self.applied(&row);
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.at_ms += ms;
    }

    pub(crate) const fn now_ms(&self) -> u64 {
        self.at_ms
    }

    pub(crate) fn state(&self) -> &ManagerJob {
        self.replica.machine()
    }

    pub(crate) fn record(&self) -> &JobRecord {
        self.state().record().unwrap()
    }

    pub(crate) fn workflow(&self, ix: u32) -> &Workflow {
        self.record().workflow(WorkflowIx(ix)).unwrap()
    }

    pub(crate) fn row(&self, ix: u32, shard: u32) -> ShardRow {
        self.workflow(ix).shard(Shard(shard)).unwrap()
    }

    pub(crate) fn entry(&self) -> Entry {
        Entry::new(JobId(1), self.state().token(), self.at_ms)
    }

    pub(crate) fn propose(&mut self, entry: &Entry) -> EntryReply {
        self.index += 1;
        self.replica.apply(self.index, &entry.encode().unwrap()).unwrap()
    }

    /// Under the job's token; commands of leadership carry none.
    pub(crate) fn send<C: Command>(&mut self, command: &C) -> EntryReply {
        let mut entry = self.entry().with(command).unwrap();
        if [14, 15].contains(&C::TAG) {
            entry.token = Token(0);
        }
        self.propose(&entry)
    }

    #[track_caller]
    pub(crate) fn applied<C: Apply<ManagerJob>>(&mut self, command: &C) -> Option<C::Reply> {
        let reply = self.send(command);
        assert_eq!(reply.outcomes[0].word(), "applied", "{:?}", reply.outcomes[0]);
        reply.reply(0).ok()
    }

    #[track_caller]
    pub(crate) fn same<C: Apply<ManagerJob>>(&mut self, command: &C) -> Option<C::Reply> {
        let before = self.state().encode().unwrap();
        let reply = self.send(command);
        assert_eq!(reply.outcomes[0].word(), "noop", "{:?}", reply.outcomes[0]);
        assert_eq!(self.state().encode().unwrap(), before, "a repeat changes nothing");
        reply.reply(0).ok()
    }

    #[track_caller]
    pub(crate) fn refused<C: Apply<ManagerJob>>(&mut self, command: &C, word: &str) {
        let before = self.state().encode().unwrap();
        let reply = self.send(command);
        assert_eq!(reply.outcomes[0].word(), word, "{:?}", reply.outcomes[0]);
        assert_eq!(self.state().encode().unwrap(), before, "a refusal changes nothing");
    }
}

pub(crate) fn node(id: u128) -> NodeRef {
    NodeRef {
        id: NodeId(id),
        generation: Generation(1),
        member: Default::default(),
        name: format!("n{id}"),
        addr: format!("n{id}:1"),
    }
}

pub(crate) fn new_generation(id: u128) -> NodeRef {
    NodeRef { generation: Generation(2), ..node(id) }
}

pub(crate) fn worker(id: u128) -> NodeRef {
    node(1_000 + id)
}

pub(crate) fn key(workflow: u32, shard: u32, attempt: u32) -> AttemptKey {
    AttemptKey { workflow: WorkflowIx(workflow), shard: Shard(shard), attempt: Attempt(attempt) }
}

pub(crate) fn workflow(name: &str, replicas: u32) -> WorkflowSpec {
    WorkflowSpec {
        name: name.into(),
        command: vec!["true".into()],
        replicas,
        cores: 1,
        env: BTreeMap::new(),
        timeout_ms: 60_000,
        retries: 1,
        backoff_ms: 1_000,
        grace_ms: 1_000,
        gang: false,
        constraints: BTreeMap::new(),
        depends_on: vec![],
    }
}

pub(crate) fn spec(workflows: Vec<WorkflowSpec>) -> JobSpec {
    JobSpec {
        name: "job".into(),
        timeout_ms: 3_600_000,
        datacenters: vec![],
        datacenter_count: 1,
        require: Require::All,
        on_workflow_failure: OnWorkflowFailure::Fail,
        on_lost: OnLost::Retry,
        on_dc_lost: OnDcLost::Wait,
        retention_ms: 3_600_000,
        priority: 50,
        labels: BTreeMap::new(),
        context: BTreeMap::from([("region".into(), ContextValue::string("eu"))]),
        workflows,
    }
}

/// Two shards of `prepare`, then one of `index`.
pub(crate) fn create_job() -> CreateJob {
    let index = WorkflowSpec { depends_on: vec![WorkflowIx(0)], ..workflow("index", 1) };
    CreateJob {
        spec: spec(vec![workflow("prepare", 2), index]),
        digest: Digest([1; 32]),
        datacenter: "a".into(),
        deadline_ms: START_MS + 3_600_000,
    }
}

pub(crate) fn track_gate(token: u64, dc_token: u64) -> TrackRemoteJob {
    let (remote_token, dc_token) = (Token(token), Token(dc_token));
    TrackRemoteJob { scope: TrackScope::Gate, leader: node(50), remote_token, dc_token }
}

pub(crate) fn purge() -> CompleteJob {
    CompleteJob { acknowledged_by_gate: true, without_job: WithoutJob::Void }
}

pub(crate) fn reserve(workflow: u32, shard: u32, attempt: u32) -> RegisterSubWorkflow {
    RegisterSubWorkflow { key: key(workflow, shard, attempt), worker: worker(1), cores: 1 }
}

pub(crate) fn provision(workflow: u32, shard: u32, attempt: u32) -> ProvisionConfirmed {
    ProvisionConfirmed { key: key(workflow, shard, attempt), node: worker(1), cores: 1 }
}

pub(crate) fn progress(sequence: u64, completed: u64) -> UpdateWorkflowProgress {
    let progress = Progress { completed, failed: 0, fraction: 0.5, started_at_ms: START_MS };
    let row = AttemptProgress { key: key(0, 0, 1), sequence, state: AttemptState::Running, progress };
    UpdateWorkflowProgress { rows: vec![row] }
}

pub(crate) fn result(workflow: u32, shard: u32, exit: Exit) -> RecordSubWorkflowResult {
    RecordSubWorkflowResult {
        key: key(workflow, shard, 1),
        exit,
        outputs: BTreeMap::new(),
        stats: BTreeMap::new(),
        started_at_ms: START_MS,
        finished_at_ms: START_MS + 5,
    }
}

pub(crate) fn refuse_start(workflow: u32, shard: u32) -> RecordSubWorkflowResult {
    result(workflow, shard, Exit::because(ExitKind::Refused, "no reservation"))
}

pub(crate) fn completed(workflow: u32) -> MarkWorkflowCompleted {
    MarkWorkflowCompleted { workflow: WorkflowIx(workflow), from_worker: None }
}

pub(crate) fn failed(workflow: u32) -> MarkWorkflowFailed {
    let workflow = WorkflowIx(workflow);
    MarkWorkflowFailed { workflow, error: "exit 1".into(), cause: FailureCause::Shards }
}

pub(crate) fn unmerged(workflow: u32) -> MarkAggregationFailed {
    MarkAggregationFailed { workflow: WorkflowIx(workflow), error: "too large".into() }
}

pub(crate) fn set_workflow(workflow: u32, status: WorkflowStatus) -> UpdateWorkflowStatus {
    UpdateWorkflowStatus { workflow: WorkflowIx(workflow), status, reason: "test".into(), error: None }
}

pub(crate) fn set_job(status: JobStatus) -> UpdateJobStatus {
    UpdateJobStatus { status, reason: None }
}

pub(crate) fn set_context(key: &str, value: &str) -> UpdateContext {
    let updates = Updates::from([(key.to_owned(), Some(ContextValue::string(value)))]);
    UpdateContext { from: None, expected_version: None, updates }
}

pub(crate) fn assume(id: u128) -> AssumeJobLeadership {
    AssumeJobLeadership { node: node(id) }
}

pub(crate) fn takeover(id: u128, expected: u64) -> TakeoverJobLeadership {
    TakeoverJobLeadership { node: node(id), expected_token: Token(expected) }
}

pub(crate) fn release(successor: Option<u128>) -> ReleaseJobLeadership {
    ReleaseJobLeadership { node: node(1), successor: successor.map(node) }
}

fn cancel(scope: CancelScope) -> InitiateCancellation {
    let order = CancelOrder {
        scope,
        reason: "not needed".into(),
        requester: "tester".into(),
        grace_ms: None,
        deadline_ms: START_MS + 60_000,
    };
    InitiateCancellation { order }
}

pub(crate) fn cancel_job() -> InitiateCancellation {
    cancel(CancelScope::Job)
}

pub(crate) fn cancel_workflows(workflows: &[u32]) -> InitiateCancellation {
    cancel(CancelScope::Workflows(workflows.iter().copied().map(WorkflowIx).collect()))
}

pub(crate) fn stopped(confirmed: &[AttemptKey]) -> CompleteCancellation {
    CompleteCancellation { confirmed: confirmed.to_vec(), errors: vec![], force: false }
}

pub(crate) fn window(second: u64) -> FlushStatsWindow {
    let total = StatTotal { count: 1, sum: 2.0, min: 2.0, max: 2.0 };
    let histogram = Histogram { scale: 4, buckets: BTreeMap::from([(4, 1)]) };
    let window = Window {
        counters: BTreeMap::from([("rows".into(), total)]),
        histograms: BTreeMap::from([("rows".into(), histogram)]),
        late: 0,
    };
    let (workflow, source) = (WorkflowIx(0), worker(1).id);
    FlushStatsWindow { rows: vec![WindowRow { workflow, source, start_ms: second * 1_000, window }] }
}

pub(crate) fn worker_dead(id: u128) -> NodeMembershipEvent {
    NodeMembershipEvent { event: NodeEvent::Dead, node: worker(id), role: Role::Worker }
}

pub(crate) fn worker_restarted(id: u128) -> NodeMembershipEvent {
    let node = NodeRef { generation: Generation(2), ..worker(id) };
    NodeMembershipEvent { event: NodeEvent::NewGeneration, node, role: Role::Worker }
}

pub(crate) fn manager_dead(id: u128) -> NodeMembershipEvent {
    NodeMembershipEvent { event: NodeEvent::Dead, node: node(id), role: Role::Manager }
}
