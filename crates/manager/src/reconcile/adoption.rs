//! A new leader presents its token to the workers with open attempts, and compares what they hold with the state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_link::CallError;
use muster_node::driver::Next;
use muster_wire::NodeRef;
use muster_wire::job::{AttemptKey, AttemptState, Exit, ExitKind};
use muster_wire::rpc::worker::{AdoptJob, HeldAttempts};

use super::calls::in_waves;
use super::{Job, acting, reconciler};
use crate::draft::Draft;
use crate::machine::OpenAttempt;
use crate::machine::commands::RecordSubWorkflowResult;
use crate::settle::{settle_job, settle_workflows};
use crate::shared::{CALL_WITHIN, Shared};

/// When a worker that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Workers that know this leader, and workers that were there before it.
#[derive(Default)]
pub(super) struct Adopted {
    /// Set at the first run: later workers learn the leader from their first start.
    owed: Option<Vec<NodeRef>>,
}

reconciler!(
    /// Adopts the job at its workers, once per leadership.
    Adoption, "adoption", remembers Adopted
);

impl Adoption {
    async fn run(&self, job: &Job) -> Next {
        let Some(record) = acting(job) else { return Next::Idle };
        let open: Vec<OpenAttempt> = record.open_attempts().collect();
        let owed =
            self.memory.with((job.job, job.term), |memory| memory.owed.get_or_insert(workers(&open)).clone());
        if owed.is_empty() {
            return Next::Idle;
        }
        let answers = in_waves(owed.iter().map(|worker| adopt(&self.shared, job, worker)).collect()).await;
        let mut left = Vec::new();
        for (worker, answer) in owed.iter().zip(answers) {
            if !self.compare(job, (worker, &open), answer).await {
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
        (worker, open): (&NodeRef, &[OpenAttempt]),
        answer: Result<HeldAttempts, CallError>,
    ) -> bool {
        let Ok(held) = answer else { return is_settled(&self.shared, worker) };
        let unknown = unknown_attempts(open, worker, &held);
        let mut draft = Draft::new(job.job, &job.view, job.now_ms());
        for key in unknown {
            draft.push(&lost(key, &worker.name, job.now_ms()));
        }
        settle_workflows(&mut draft);
        settle_job(&mut draft);
        self.shared.commit(job.job, draft).await.is_done()
    }
}

const fn after(left: &[NodeRef]) -> Next {
    match left.is_empty() {
        true => Next::Idle,
        false => Next::After(AGAIN),
    }
}

fn workers(open: &[OpenAttempt]) -> Vec<NodeRef> {
    let by_id: BTreeMap<_, _> =
        open.iter().map(|open| ((open.worker.id, open.worker.generation), &open.worker)).collect();
    by_id.into_values().cloned().collect()
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
fn unknown_attempts(open: &[OpenAttempt], worker: &NodeRef, held: &HeldAttempts) -> Vec<AttemptKey> {
    let held: BTreeSet<AttemptKey> = held.attempts.iter().map(|(key, _)| *key).collect();
    let there = open.iter().filter(|open| open.worker == *worker && open.state == AttemptState::Running);
    there.map(|open| open.key).filter(|key| !held.contains(key)).collect()
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
