//! Makes room: when the gates are nearly full of groups, finished jobs that owe nothing are purged before their
//! retention ends, oldest first.

use std::time::Duration;

use muster_machine::Entry;
use muster_runtime::TaskKind;
use muster_wire::{CodecError, JobId};

use crate::gate::Gate;
use crate::machine::commands::CleanupOldJobs;
use crate::reconcile::releases;

const PURGE: TaskKind = TaskKind::new("purge");
const PERIOD: Duration = Duration::from_secs(2);
/// Jobs purged in one round.
const AT_ONCE: usize = 256;
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Looks now and then.
pub(crate) fn start(gate: &Gate) {
    let gate = gate.clone();
    gate.scope.clone().spawn_until_stop(PURGE, async move {
        loop {
            tokio::time::sleep(PERIOD).await;
            purge_oldest(&gate).await;
        }
    });
}

/// Only what is led here: every gate does its part.
async fn purge_oldest(gate: &Gate) {
    let oldest = gate.coordinator.directory().purgeable(AT_ONCE);
    for job in oldest.into_iter().filter(|job| gate.leads(*job)) {
        if let Some(Ok(entry)) = entry(gate, job) {
            tracing::info!(%job, "purged before its retention ended: the gates are nearly full");
            let _ = gate.coordinator.propose_here(job, entry, COMMIT_TIMEOUT).await;
        }
    }
}

fn entry(gate: &Gate, job: JobId) -> Option<Result<Entry, CodecError>> {
    let view = gate.coordinator.watch(job).map(|views| views.borrow().clone())?;
    let entry = gate.entry(job, view.token());
    let is_over = view.state.is_terminal();
    is_over.then(|| releases(&view.state, entry)?.with(&CleanupOldJobs { max_age_ms: 0, unsubmitted: false }))
}
