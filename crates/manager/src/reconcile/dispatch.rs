//! Ready workflows get workers: cores are reserved first, then one entry names the attempts. `start` starts them.

use std::time::Duration;

use muster_node::driver::Next;
use muster_runtime::{crash_point, random};
use muster_wire::job::AttemptKey;
use muster_wire::{NodeRef, Shard, WorkflowIx};

use super::reserve::{Wish, ask_all, release_all, reserve_each};
use super::{Job, acting, gang, reconciler};
use crate::draft::{Draft, Pushed};
use crate::machine::JobRecord;
use crate::machine::commands::{FailureCause, MarkWorkflowFailed, ProvisionConfirmed, RegisterSubWorkflow};
use crate::placing::{Place, places};
use crate::run_spec::run_spec;
use crate::settle::{settle_job, settle_workflows};
use crate::shared::Shared;

/// Attempts in one entry.
const BATCH_MAX: usize = 128;
/// First and longest pause while no worker has room.
const PAUSE_MS: (u64, u64) = (100, 2_000);

/// How often in a row nothing could be placed.
#[derive(Default)]
pub(super) struct Waiting {
    rounds: u32,
}

reconciler!(
    /// Places shards that are due.
    Dispatch, "dispatch", remembers Waiting
);

/// What one round came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Round {
    /// Everything that is due was placed.
    Placed,
    /// Something was placed and more is due.
    More,
    /// Something is due and no worker has room.
    Full,
    /// The state had moved on, or the log does not take it now.
    Retry(Duration),
}

impl Dispatch {
    async fn run(&self, job: &Job) -> Next {
        let Some(record) = acting(job) else { return Next::Idle };
        let due = record.dispatchable(job.now_ms(), BATCH_MAX + 1);
        if !due.is_empty() {
            self.shared.load.set(job.job, record.cores_by_worker());
        }
        let mut rounds = Vec::new();
        for (ix, shards) in due {
            rounds.push(self.place(job, record, (ix, &shards)).await);
        }
        self.next(job, record, &rounds)
    }

    async fn place(&self, job: &Job, record: &JobRecord, (ix, shards): (WorkflowIx, &[Shard])) -> Round {
        let Some(spec) = record.spec().workflow(ix) else { return Round::Placed };
        if let Some(error) = unrunnable(record, ix, shards) {
            return self.fail(job, (ix, error)).await;
        }
        match spec.gang {
            true => gang::place(&self.shared, job, (ix, shards)).await,
            false => self.place_each(job, record, (ix, shards)).await,
        }
    }

    async fn place_each(&self, job: &Job, record: &JobRecord, (ix, shards): (WorkflowIx, &[Shard])) -> Round {
        let batch = &shards[..shards.len().min(BATCH_MAX)];
        let wish = Wish::new(record, ix);
        let mut places = workflow_places(&self.shared, record, ix);
        let keys: Vec<AttemptKey> = batch.iter().map(|shard| next_attempt(record, ix, *shard)).collect();
        let mut held = reserve_each(&self.shared, job, (&wish, &keys, &mut places)).await;
        if held.is_empty() {
            held = self.knock(job, record, (&wish, &keys)).await;
        }
        match commit_held(&self.shared, job, (&wish, &held)).await {
            Round::Placed => placed(held.len(), shards.len()),
            other => other,
        }
    }

    /// Nothing is believed to be free: some worker is asked nevertheless, and tells when it is this job's turn.
    async fn knock(
        &self,
        job: &Job,
        record: &JobRecord,
        (wish, keys): (&Wish, &[AttemptKey]),
    ) -> Vec<(AttemptKey, NodeRef)> {
        let Some(first) = keys.first() else { return Vec::new() };
        let mut places = idle_places(&self.shared, record, first.workflow);
        places.retain(|place| place.free >= wish.cores);
        let at = random::below(places.len().max(1) as u64) as usize;
        let Some(door) = places.get(at).cloned() else { return Vec::new() };
        ask_all(&self.shared, job, (wish, vec![(*first, door.node)], &mut places)).await.0
    }

    /// A workflow whose command names what is not there fails with the reason.
    async fn fail(&self, job: &Job, (workflow, error): (WorkflowIx, String)) -> Round {
        let mut draft = Draft::new(job.job, &job.view, job.now_ms());
        draft.push(&MarkWorkflowFailed { workflow, error, cause: FailureCause::Unrunnable });
        settle_workflows(&mut draft);
        settle_job(&mut draft);
        self.shared.commit(job.job, draft).await;
        Round::Retry(Duration::from_millis(PAUSE_MS.1))
    }

    fn next(&self, job: &Job, record: &JobRecord, rounds: &[Round]) -> Next {
        let full = rounds.contains(&Round::Full);
        let waited = self.memory.with((job.job, job.term), |waiting| waiting.count(full));
        let retry = rounds.iter().find_map(|round| match round {
            Round::Retry(pause) => Some(*pause),
            _ => None,
        });
        match (retry, full, rounds.contains(&Round::More)) {
            (Some(pause), _, _) => Next::After(pause),
            (None, true, _) => Next::After(pause(waited)),
            (None, false, true) => Next::Again,
            (None, false, false) => until_retry(record, job.now_ms()),
        }
    }
}

impl Waiting {
    fn count(&mut self, full: bool) -> u32 {
        self.rounds = match full {
            true => self.rounds.saturating_add(1),
            false => 0,
        };
        self.rounds
    }
}

fn pause(rounds: u32) -> Duration {
    let full = PAUSE_MS.0.saturating_mul(1 << rounds.min(8)).min(PAUSE_MS.1);
    Duration::from_millis(full / 2 + random::below(full / 2 + 1))
}

/// Until the first retry is due.
fn until_retry(record: &JobRecord, now_ms: u64) -> Next {
    let retry_ms = record.workflows().filter_map(|(_, workflow)| workflow.next_retry_ms()).min();
    match retry_ms.map(|retry_ms| retry_ms.saturating_sub(now_ms)) {
        Some(left_ms) => Next::After(Duration::from_millis(left_ms.max(10))),
        None => Next::Idle,
    }
}

const fn placed(held: usize, due: usize) -> Round {
    match (held, held == due) {
        (0, _) => Round::Full,
        (_, true) => Round::Placed,
        (_, false) => Round::More,
    }
}

/// The reason why a workflow that is ready cannot be started: its first shard stands for all.
fn unrunnable(record: &JobRecord, ix: WorkflowIx, shards: &[Shard]) -> Option<String> {
    let busy = record.workflow(ix).is_none_or(|workflow| workflow.is_busy());
    let first = shards.first().filter(|_| !busy)?;
    run_spec(record, next_attempt(record, ix, *first)).err().map(|missing| missing.to_string())
}

pub(super) fn next_attempt(record: &JobRecord, workflow: WorkflowIx, shard: Shard) -> AttemptKey {
    let last = record.row(workflow, shard).unwrap_or_default().last_attempt();
    AttemptKey { workflow, shard, attempt: last.next() }
}

/// Workers that a workflow may use, without those that the state knows as gone.
pub(super) fn workflow_places(shared: &Shared, record: &JobRecord, ix: WorkflowIx) -> Vec<Place> {
    let Some(spec) = record.spec().workflow(ix) else { return Vec::new() };
    let mut places = places(&shared.seats(), &spec.constraints, |node| shared.load.used(node.id));
    places.retain(|place| !record.nodes().is_gone(&place.node));
    places
}

/// The same, with all their cores.
pub(super) fn idle_places(shared: &Shared, record: &JobRecord, ix: WorkflowIx) -> Vec<Place> {
    let Some(spec) = record.spec().workflow(ix) else { return Vec::new() };
    let mut places = places(&shared.seats(), &spec.constraints, |_| 0);
    places.retain(|place| !record.nodes().is_gone(&place.node));
    places
}

/// One entry for all that is held; what it does not take is released.
pub(super) async fn commit_held(
    shared: &Shared,
    job: &Job,
    (wish, held): (&Wish, &[(AttemptKey, NodeRef)]),
) -> Round {
    let mut draft = Draft::new(job.job, &job.view, job.now_ms());
    let (taken, refused): (Vec<_>, Vec<_>) =
        held.iter().cloned().partition(|held| register(&mut draft, wish, held));
    crash_point("manager.reserved");
    let committed = shared.commit(job.job, draft).await;
    match (committed.is_done(), committed.next()) {
        (true, _) => {
            release_all(shared, job, &refused).await;
            Round::Placed
        }
        (false, next) => {
            release_all(shared, job, &[taken, refused].concat()).await;
            Round::Retry(pause_of(next))
        }
    }
}

const fn pause_of(next: Next) -> Duration {
    match next {
        Next::After(pause) => pause,
        Next::Idle | Next::Again => Duration::from_millis(PAUSE_MS.0),
    }
}

fn register(draft: &mut Draft, wish: &Wish, (key, worker): &(AttemptKey, NodeRef)) -> bool {
    let (key, cores) = (*key, wish.cores);
    let registered = draft.push(&RegisterSubWorkflow { key, worker: worker.clone(), cores });
    if let Pushed::At(_) = registered {
        draft.push(&ProvisionConfirmed { key, node: worker.clone(), cores });
    }
    matches!(registered, Pushed::At(_))
}
