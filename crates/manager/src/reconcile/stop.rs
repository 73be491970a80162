//! Attempts of workflows that have ended are stopped: their results would come too late.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_node::driver::Next;
use muster_wire::job::{AttemptKey, Exit, ExitKind};
use muster_wire::rpc::worker::{StopReply, StopShards};
use muster_wire::{Generation, NodeId, NodeRef};

use super::calls::in_waves;
use super::{Job, acting, reconciler};
use crate::draft::Draft;
use crate::machine::OpenAttempt;
use crate::machine::commands::RecordSubWorkflowResult;
use crate::shared::{CALL_WITHIN, Shared};

/// When workers are asked again whether their processes have ended.
pub(super) const AGAIN: Duration = Duration::from_millis(300);

reconciler!(
    /// Stops what still runs of ended workflows.
    Stop, "stop"
);

impl Stop {
    async fn run(&self, job: &Job) -> Next {
        let Some(record) = acting(job) else { return Next::Idle };
        let ended = |open: &OpenAttempt| {
            record.workflow(open.key.workflow).is_some_and(|known| known.status().is_terminal())
        };
        let late: Vec<OpenAttempt> = record.open_attempts().filter(ended).collect();
        if late.is_empty() {
            return Next::Idle;
        }
        let stopped = stop(&self.shared, job, (&late, None)).await;
        let mut draft = Draft::new(job.job, &job.view, job.now_ms());
        for key in stopped {
            draft.push(&cancelled(key, job.now_ms()));
        }
        match self.shared.commit(job.job, draft).await.next() {
            Next::Idle => Next::After(AGAIN),
            next => next,
        }
    }
}

fn cancelled(key: AttemptKey, now_ms: u64) -> RecordSubWorkflowResult {
    RecordSubWorkflowResult {
        key,
        exit: Exit::because(ExitKind::Cancelled, "its workflow had ended"),
        outputs: BTreeMap::new(),
        stats: BTreeMap::new(),
        started_at_ms: 0,
        finished_at_ms: now_ms,
    }
}

/// Asks every worker concerned; answers the attempts that do not run.
pub(super) async fn stop(
    shared: &Shared,
    job: &Job,
    (attempts, grace_ms): (&[OpenAttempt], Option<u64>),
) -> Vec<AttemptKey> {
    let mut by_worker: BTreeMap<(NodeId, Generation), (NodeRef, Vec<AttemptKey>)> = BTreeMap::new();
    for open in attempts {
        let at = by_worker.entry((open.worker.id, open.worker.generation));
        at.or_insert_with(|| (open.worker.clone(), Vec::new())).1.push(open.key);
    }
    let calls = by_worker.into_values().map(|(worker, keys)| stop_at(shared, job, (worker, keys, grace_ms)));
    in_waves(calls.collect()).await.into_iter().flat_map(|reply| reply.stopped).collect()
}

/// A worker that does not answer is asked again, until it does, is gone, or the deadline passes.
async fn stop_at(
    shared: &Shared,
    job: &Job,
    (worker, keys, grace_ms): (NodeRef, Vec<AttemptKey>, Option<u64>),
) -> StopReply {
    let call = StopShards { job: job.job, token: job.token(), keys, grace_ms };
    let answer = shared.links.call_node(&worker, &call, CALL_WITHIN).await;
    answer.unwrap_or_else(|error| {
        tracing::debug!(worker = worker.name, %error, "a stop was not answered, it is repeated");
        StopReply::default()
    })
}
