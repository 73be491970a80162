//! A new leader presents its token to the workers with open attempts, and compares what they hold with the state. So
//! does any leader with a worker that was held dead and is back: what was tried elsewhere since is stopped there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_link::CallError;
use muster_node::driver::Next;
use muster_wire::job::{AttemptKey, AttemptState, Exit, ExitKind};
use muster_wire::rpc::worker::{AdoptJob, HeldAttempts, StopShards};
use muster_wire::{NodeId, NodeRef, Role};

use super::calls::in_waves;
use super::{Job, acting, reconciler};
use crate::draft::Draft;
use crate::machine::commands::RecordSubWorkflowResult;
use crate::machine::{EventRow, JobRecord, NodeEvent};
use crate::settle::{settle_job, settle_workflows};
use crate::shared::{CALL_WITHIN, Shared};

/// When a worker that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// What this leadership owes to workers.
#[derive(Default)]
pub(super) struct Adopted {
    /// To be told; `None` before the first run. Later workers learn the leader from their first start.
    owed: Option<Vec<NodeRef>>,
    /// Returns that were seen to.
    returns: BTreeSet<(NodeId, u64)>,
}

reconciler!(
    /// Adopts the job at its workers, once per leadership and return.
    Adoption, "adoption", remembers Adopted
);

impl Adoption {
    async fn run(&self, job: &Job) -> Next {
        let Some(record) = acting(job) else { return Next::Idle };
        let owed = self.memory.with((job.job, job.term), |memory| memory.owed(record));
        if owed.is_empty() {
            return Next::Idle;
        }
        let answers = in_waves(owed.iter().map(|worker| adopt(&self.shared, job, worker)).collect()).await;
        let mut left = Vec::new();
        for (worker, answer) in owed.iter().zip(answers) {
            if !self.compare(job, (worker, record), answer).await {
                left.push(worker.clone());
            }
        }
        let next = after(&left);
        self.memory.with((job.job, job.term), |memory| memory.owed = Some(left));
        next
    }

    /// `false`: the worker is to be asked again.
    async fn compare(
        &self,
        job: &Job,
        (worker, record): (&NodeRef, &JobRecord),
        answer: Result<HeldAttempts, CallError>,
    ) -> bool {
        let Ok(held) = answer else { return is_settled(&self.shared, worker) };
        stop_strays(&self.shared, job, (worker, strays(record, worker, &held))).await;
        let unknown = unknown_attempts(record, worker, &held);
        let mut draft = Draft::new(job.job, &job.view, job.now_ms());
        for key in unknown {
            draft.push(&lost(key, &worker.name, job.now_ms()));
        }
        settle_workflows(&mut draft);
        settle_job(&mut draft);
        self.shared.commit(job.job, draft).await.is_done() & !holds_lost(record, &held)
    }
}

impl Adopted {
    fn owed(&mut self, record: &JobRecord) -> Vec<NodeRef> {
        let owed = self.owed.get_or_insert_with(|| workers(record));
        for back in record.nodes().history().filter(|row| is_return(row)) {
            let is_new = self.returns.insert((back.node.id, back.at_ms));
            if is_new & !owed.contains(&back.node) {
                owed.push(back.node.clone());
            }
        }
        owed.clone()
    }
}

fn is_return(row: &EventRow) -> bool {
    (row.role == Role::Worker) & (row.event == NodeEvent::Join)
}

const fn after(left: &[NodeRef]) -> Next {
    match left.is_empty() {
        true => Next::Idle,
        false => Next::After(AGAIN),
    }
}

fn workers(record: &JobRecord) -> Vec<NodeRef> {
    let open = record.open_attempts().map(|open| ((open.worker.id, open.worker.generation), open.worker));
    open.collect::<BTreeMap<_, _>>().into_values().collect()
}

async fn adopt(shared: &Shared, job: &Job, worker: &NodeRef) -> Result<HeldAttempts, CallError> {
    let call = AdoptJob { job: job.job, token: job.token(), manager: job.me.clone() };
    shared.links.call_node(worker, &call, CALL_WITHIN).await
}

/// A worker process that is gone is the business of `workers`.
fn is_settled(shared: &Shared, worker: &NodeRef) -> bool {
    let now = shared.seats().into_iter().find(|seat| seat.node.id == worker.id);
    now.is_some_and(|seat| seat.node.generation > worker.generation || !seat.state.is_live())
}

/// Running attempts that their worker does not hold: their processes are gone. Those that were not started are started
/// (again) by `start`, and refused there if the reservation is gone.
fn unknown_attempts(record: &JobRecord, worker: &NodeRef, held: &HeldAttempts) -> Vec<AttemptKey> {
    let held: BTreeSet<AttemptKey> = held.attempts.iter().map(|(key, _)| *key).collect();
    let open = record.open_attempts();
    let there = open.filter(|open| open.worker == *worker && open.state == AttemptState::Running);
    there.map(|open| open.key).filter(|key| !held.contains(key)).collect()
}

/// What runs there and is given up or tried elsewhere since. A lost attempt without a newer one may still report.
fn strays(record: &JobRecord, worker: &NodeRef, held: &HeldAttempts) -> Vec<AttemptKey> {
    let runs = held.attempts.iter().filter(|(_, state)| state.is_open()).map(|(key, _)| *key);
    runs.filter(|key| is_stray(record, worker, *key)).collect()
}

/// Does an attempt run there that is given up, while none is tried elsewhere yet? Then it may report, or become a stray.
fn holds_lost(record: &JobRecord, held: &HeldAttempts) -> bool {
    let runs = held.attempts.iter().filter(|(_, state)| state.is_open());
    runs.filter_map(|(key, _)| {
        record.row(key.workflow, key.shard)?.attempt(key.attempt).map(|last| last.state)
    })
    .any(|state| state == AttemptState::Lost)
}

fn is_stray(record: &JobRecord, worker: &NodeRef, key: AttemptKey) -> bool {
    let Some(row) = record.row(key.workflow, key.shard) else { return true };
    let is_last = (row.last_attempt() == key.attempt) & (record.worker_of(&row) == Some(worker));
    !is_last | row.phase.is_decided()
}

async fn stop_strays(shared: &Shared, job: &Job, (worker, keys): (&NodeRef, Vec<AttemptKey>)) {
    if keys.is_empty() {
        return;
    }
    let call = StopShards { job: job.job, token: job.token(), keys, grace_ms: None };
    if let Err(error) = shared.links.call_node(worker, &call, CALL_WITHIN).await {
        tracing::debug!(worker = worker.name, %error, "attempts that are tried elsewhere run on here");
    }
}

fn lost(key: AttemptKey, worker: &str, now_ms: u64) -> RecordSubWorkflowResult {
    RecordSubWorkflowResult {
        key,
        exit: Exit::because(ExitKind::Lost, format!("worker {worker} does not know it any more")),
        outputs: BTreeMap::new(),
        stats: BTreeMap::new(),
        started_at_ms: 0,
        finished_at_ms: now_ms,
    }
}
