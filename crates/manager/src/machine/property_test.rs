//! Any sequence of commands keeps the invariants.

use std::collections::{BTreeMap, BTreeSet};

use muster_machine::{Entry, Machine as _, Replica};
use muster_wire::job::{AttemptKey, Exit, ExitKind, JobStatus, WorkflowStatus};
use muster_wire::spec::{JobSpec, OnLost, OnWorkflowFailure, WorkflowSpec};
use muster_wire::{Attempt, Generation, GroupId, JobId, NodeRef, Shard, Token, WorkflowIx};
use proptest::prelude::*;

use super::commands::*;
use super::world::*;
use super::{ManagerJob, Phase};

const SHARDS: u32 = 2;
/// How often each command is tried: what moves a job on is tried most.
const COMMANDS: &[u8] = &[
    0, 1, 2, 2, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10, 11,
    11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 15, 16, 16, 17, 17, 17, 18, 18, 18, 19, 20, 20, 21, 22, 23, 24,
    24, 25, 25, 25,
];

/// One step of a sequence: which command, and small numbers to fill it with.
#[derive(Clone, Copy, Debug)]
struct Step {
    command: u8,
    a: u32,
    b: u32,
    /// 0: the job's token; 1: one below; 2: none.
    token: u8,
    passes_ms: u64,
}

fn step() -> impl Strategy<Value = Step> {
    let token = prop_oneof![12 => Just(0_u8), 1 => Just(1), 1 => Just(2)];
    let passes_ms = prop_oneof![5 => Just(0_u64), 2 => Just(2_000), 1 => Just(70_000)];
    (prop::sample::select(COMMANDS), 0..3_u32, 0..4_u32, token, passes_ms)
        .prop_map(|(command, a, b, token, passes_ms)| Step { command, a, b, token, passes_ms })
}

fn job_spec(on_lost: OnLost, policy: OnWorkflowFailure) -> JobSpec {
    let second = WorkflowSpec { depends_on: vec![WorkflowIx(0)], ..workflow("second", SHARDS) };
    let mut spec = spec(vec![workflow("first", SHARDS), second, workflow("third", SHARDS)]);
    (spec.on_lost, spec.on_workflow_failure) = (on_lost, policy);
    (spec.timeout_ms, spec.retention_ms) = (300_000, 100_000);
    spec
}

fn create(on_lost: OnLost, policy: OnWorkflowFailure) -> CreateJob {
    CreateJob { spec: job_spec(on_lost, policy), deadline_ms: START_MS + 300_000, ..create_job() }
}

/// The number of the shard's newest attempt, moved by `ahead`.
fn attempt(state: &ManagerJob, step: Step, ahead: u32) -> AttemptKey {
    let (workflow, shard) = (WorkflowIx(step.a), Shard(step.b % SHARDS));
    let row = state.record().and_then(|record| record.row(workflow, shard)).unwrap_or_default();
    AttemptKey { workflow, shard, attempt: Attempt(row.last_attempt().0 + ahead) }
}

/// One of the open attempts, or else the newest of any shard.
fn open_attempt(state: &ManagerJob, step: Step) -> AttemptKey {
    let open = state.record().into_iter().flat_map(|record| record.open_attempts().collect::<Vec<_>>());
    let picked = open.map(|open| open.key).nth((step.a + step.b) as usize % 3);
    picked.unwrap_or_else(|| attempt(state, step, 0))
}

/// A workflow that is ready to be ended, or else any.
fn decided(state: &ManagerJob, step: Step) -> u32 {
    let mut workflows = state.record().into_iter().flat_map(|record| record.workflows());
    let found = workflows.find(|(_, known)| known.is_decided() && !known.status().is_terminal());
    found.map_or(step.a, |(ix, _)| ix.0)
}

/// The status that the policy gives, or else any.
fn job_status(state: &ManagerJob, step: Step, at_ms: u64) -> JobStatus {
    let verdict = state.record().and_then(|record| record.verdict(at_ms));
    verdict.filter(|_| step.b < 2).unwrap_or(statuses(step).0)
}

fn exit(step: Step) -> Exit {
    match step.b {
        0..=2 if step.a < 2 => Exit::code(0),
        0..=2 => Exit::code(1),
        _ => Exit::because(ExitKind::Lost, "restarted"),
    }
}

fn worker_of(step: Step) -> NodeRef {
    NodeRef { generation: Generation(1 + u64::from(step.b / 2)), ..worker(u128::from(step.a)) }
}

fn statuses(step: Step) -> (JobStatus, WorkflowStatus) {
    let job = [
        JobStatus::Running,
        JobStatus::Completing,
        JobStatus::Completed,
        JobStatus::Partial,
        JobStatus::Failed,
        JobStatus::TimedOut,
        JobStatus::Cancelling,
        JobStatus::Cancelled,
    ];
    let workflow = [
        WorkflowStatus::Pending,
        WorkflowStatus::Skipped,
        WorkflowStatus::Aggregated,
        WorkflowStatus::Cancelled,
    ];
    (job[(step.a * 4 + step.b) as usize % job.len()], workflow[step.b as usize % workflow.len()])
}

fn push(entry: &mut Entry, state: &ManagerJob, step: Step) {
    let pushed = match step.command {
        0 => entry.push(&create(OnLost::Retry, OnWorkflowFailure::Fail)),
        1 => entry.push(&track_gate(u64::from(step.a), u64::from(step.b))),
        2 => entry.push(&CompleteJob { acknowledged_by_gate: step.b == 3, ..purge() }),
        17 | 18 => entry.push(&set_job(job_status(state, step, entry.at_ms))),
        19 => entry.push(&UpdateContext {
            from: (step.b == 0).then(|| open_attempt(state, step)),
            ..set_context(&step.a.to_string(), &step.b.to_string())
        }),
        20..=22 => push_leadership(entry, state, step),
        23 | 24 => push_cancel(entry, state, step),
        3 | 12..=16 => push_workflow(entry, state, step),
        _ => push_attempt(entry, state, step),
    };
    pushed.unwrap();
}

type Encoded = Result<(), muster_wire::CodecError>;

fn push_leadership(entry: &mut Entry, state: &ManagerJob, step: Step) -> Encoded {
    let node_named = node(u128::from(step.a));
    match step.command {
        20 => entry.push(&AssumeJobLeadership { node: node_named }),
        21 => entry.push(&TakeoverJobLeadership {
            node: node_named,
            expected_token: Token(state.token().0.saturating_sub(u64::from(step.b == 3))),
        }),
        _ => entry.push(&ReleaseJobLeadership {
            node: state.leader().cloned().unwrap_or_else(|| node(1)),
            successor: (step.b == 0).then_some(node_named),
        }),
    }
}

fn push_cancel(entry: &mut Entry, state: &ManagerJob, step: Step) -> Encoded {
    match (step.command, step.b) {
        (23, 0) => entry.push(&cancel_job()),
        (23, _) => entry.push(&cancel_workflows(&[step.a])),
        _ => entry.push(&CompleteCancellation { force: step.b == 0, ..stopped(&pending(state, step)) }),
    }
}

fn push_workflow(entry: &mut Entry, state: &ManagerJob, step: Step) -> Encoded {
    match step.command {
        3 => entry.push(&RegisterWorkflow { workflow: WorkflowIx(step.a) }),
        12 | 13 => entry.push(&completed(decided(state, step))),
        14 => entry.push(&failed(decided(state, step))),
        15 => entry.push(&unmerged(step.a)),
        _ => entry.push(&set_workflow(step.a, statuses(step).1)),
    }
}

fn push_attempt(entry: &mut Entry, state: &ManagerJob, step: Step) -> Encoded {
    match step.command {
        4..=6 => {
            let key = attempt(state, step, 1);
            entry.push(&RegisterSubWorkflow { key, worker: worker_of(step), cores: 1 })
        }
        7 => entry.push(&UpdateWorkflowProgress {
            rows: progress(u64::from(step.b), 1)
                .rows
                .into_iter()
                .map(|row| moved(row, state, step))
                .collect(),
        }),
        8..=11 => {
            let key = open_attempt(state, step);
            entry.push(&RecordSubWorkflowResult { key, ..result(0, 0, exit(step)) })
        }
        _ => push_event(entry, state, step),
    }
}

fn push_event(entry: &mut Entry, state: &ManagerJob, step: Step) -> Encoded {
    let (key, node) = (open_attempt(state, step), worker_of(step));
    match step.b {
        0 => entry.push(&window(u64::from(step.a))),
        1 => entry.push(&ProvisionConfirmed { key, node, cores: 1 }),
        2 => entry.push(&worker_dead(u128::from(step.a))),
        _ => entry.push(&worker_restarted(u128::from(step.a))),
    }
}

fn moved(row: AttemptProgress, state: &ManagerJob, step: Step) -> AttemptProgress {
    AttemptProgress { key: open_attempt(state, step), ..row }
}

fn pending(state: &ManagerJob, step: Step) -> Vec<AttemptKey> {
    let cancel = state.record().and_then(|record| record.cancel());
    cancel.iter().flat_map(|cancel| cancel.pending.iter().copied()).skip(step.a as usize % 2).collect()
}

/// What was seen before and must still hold.
#[derive(Default)]
struct Witness {
    leaders: BTreeMap<Token, (u128, u64)>,
    token: Token,
    ended: Option<JobStatus>,
    accepted: BTreeMap<(WorkflowIx, Shard), u64>,
    blocked: BTreeMap<WorkflowIx, Option<u32>>,
    purged: bool,
}

impl Witness {
    fn check(&mut self, state: &ManagerJob) {
        self.check_leadership(state);
        self.check_status(state);
        self.check_purge(state);
        self.check_tally(state);
        self.check_accepted(state);
        self.check_blocked(state);
    }

    fn check_leadership(&mut self, state: &ManagerJob) {
        assert!(state.token() >= self.token, "tokens never fall");
        self.token = state.token();
        if let Some(leader) = state.leader() {
            let seen = self.leaders.entry(state.token()).or_insert((leader.id.0, leader.generation.0));
            assert_eq!(*seen, (leader.id.0, leader.generation.0), "one leader per token");
        }
    }

    fn check_status(&mut self, state: &ManagerJob) {
        if let Some(ended) = self.ended {
            assert_eq!(state.status(), Some(ended), "terminal never changes");
        }
        self.ended = state.status().filter(|status| status.is_terminal());
    }

    fn check_purge(&mut self, state: &ManagerJob) {
        assert!(!self.purged || state.retired().is_some(), "a purged job stays its tombstone");
        self.purged = state.retired().is_some();
        assert!(!self.purged || state.record().is_none(), "a tombstone is all that is left");
    }

    fn check_tally(&self, state: &ManagerJob) {
        let Some(record) = state.record() else { return };
        let tally = record.tally();
        assert!(tally.ended() <= tally.total, "{tally:?}");
        let count = |wanted: fn(WorkflowStatus) -> bool| {
            record.workflows().filter(|(_, w)| wanted(w.status())).count()
        };
        assert_eq!(tally.completed as usize, count(WorkflowStatus::is_success));
        assert_eq!(tally.ended() as usize, count(WorkflowStatus::is_terminal));
        if record.status().is_terminal() {
            assert_eq!(tally.ended(), tally.total, "a terminal job has no open workflow");
        }
    }

    fn check_accepted(&mut self, state: &ManagerJob) {
        let Some(record) = state.record() else { return };
        for (ix, workflow) in record.workflows() {
            for (shard, row) in workflow.tried().filter(|(_, row)| row.phase == Phase::Succeeded) {
                let digest = row.last.as_ref().unwrap().result_digest;
                let first = *self.accepted.entry((ix, shard)).or_insert(digest);
                assert_eq!(first, digest, "at most one accepted result per shard");
            }
        }
        for (ix, shard) in self.accepted.keys() {
            let phase = record.row(*ix, *shard).unwrap().phase;
            assert_eq!(phase, Phase::Succeeded, "what was accepted stays accepted");
        }
    }

    fn check_blocked(&mut self, state: &ManagerJob) {
        let Some(record) = state.record() else { return };
        let blocked: BTreeSet<_> =
            record.spec().enumerate().map(|(ix, _)| ix).filter(|ix| record.is_blocked(*ix)).collect();
        for ix in blocked {
            let attempts = record.workflow(ix).map(|workflow| workflow.attempts);
            let at_cancel = *self.blocked.entry(ix).or_insert(attempts);
            assert_eq!(attempts, at_cancel, "nothing is registered after a committed cancel in its scope");
        }
    }
}

fn run(steps: &[Step], on_lost: OnLost, policy: OnWorkflowFailure, snapshot_at: usize) {
    let born = || Replica::<ManagerJob>::born(GroupId(3), JobId(1));
    let (mut one, mut two) = (born(), born());
    let mut third = None;
    let mut witness = Witness::default();
    let mut at_ms = START_MS;
    for (index, bytes) in prelude(on_lost, policy).into_iter().enumerate() {
        one.apply(index as u64, &bytes).unwrap();
        two.apply(index as u64, &bytes).unwrap();
    }
    for (index, step) in steps.iter().enumerate() {
        at_ms += step.passes_ms;
        let bytes = entry(one.machine(), *step, at_ms);
        let index = index as u64 + 10;
        let reply = one.apply(index, &bytes).unwrap();
        assert_eq!(two.apply(index, &bytes).unwrap(), reply, "two replicas answer the same");
        if let Some(third) = &mut third {
            let third: &mut Replica<ManagerJob> = third;
            assert_eq!(third.apply(index, &bytes).unwrap(), reply, "a restored replica answers the same");
        }
        if index as usize - 10 == snapshot_at {
            third = Some(Replica::restore(&one.encode().unwrap()).unwrap());
        }
        witness.check(one.machine());
    }
    let bytes = one.encode().unwrap();
    assert_eq!(two.encode().unwrap(), bytes, "two replicas have the same bytes");
    let restored = Replica::<ManagerJob>::restore(&bytes).unwrap();
    assert_eq!(restored.machine(), one.machine(), "a snapshot brings back every index");
    if let Some(third) = third {
        assert_eq!(third.encode().unwrap(), bytes, "snapshot and replay give the same bytes");
    }
}

fn prelude(on_lost: OnLost, policy: OnWorkflowFailure) -> Vec<Vec<u8>> {
    let mut entry = Entry::new(JobId(1), Token(1), START_MS).with(&create(on_lost, policy)).unwrap();
    entry.push(&assume(1)).unwrap();
    (0..2).for_each(|workflow| entry.push(&RegisterWorkflow { workflow: WorkflowIx(workflow) }).unwrap());
    vec![entry.encode().unwrap()]
}

fn entry(state: &ManagerJob, step: Step, at_ms: u64) -> Vec<u8> {
    let token = match step.token {
        0 => state.token(),
        1 => Token(state.token().0.saturating_sub(1)),
        _ => Token(0),
    };
    let mut entry = Entry::new(JobId(1), token, at_ms);
    if (20..=21).contains(&step.command) {
        entry.token = Token(0);
    }
    push(&mut entry, state, step);
    entry.encode().unwrap()
}

fn on_lost() -> impl Strategy<Value = OnLost> {
    prop_oneof![Just(OnLost::Retry), Just(OnLost::Wait), Just(OnLost::Fail)]
}

fn policy() -> impl Strategy<Value = OnWorkflowFailure> {
    prop_oneof![Just(OnWorkflowFailure::Fail), Just(OnWorkflowFailure::Continue)]
}

/// Sequences to try: some in every test run, a long campaign where asked for.
fn cases() -> u32 {
    let wanted = std::env::var("MUSTER_PROPERTY_CASES").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(1_500)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_keeps_the_invariants(
        steps in prop::collection::vec(step(), 1..120),
        on_lost in on_lost(),
        policy in policy(),
        snapshot_at in 0_usize..120,
    ) {
        run(&steps, on_lost, policy, snapshot_at);
    }
}
