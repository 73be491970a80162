//! A committed cancel: workers stop the pending attempts until each is confirmed or the deadline passes.

use std::collections::BTreeSet;
use std::time::Duration;

use muster_node::driver::Next;
use muster_wire::job::AttemptKey;

use super::stop::{AGAIN, stop};
use super::{Job, acting, reconciler};
use crate::draft::Draft;
use crate::machine::commands::CompleteCancellation;
use crate::machine::{Cancel, JobRecord, OpenAttempt};
use crate::settle::{settle_job, settle_workflows};

reconciler!(
    /// Completes cancels.
    Cancellation, "cancellation", remembers BTreeSet<AttemptKey>
);

impl Cancellation {
    async fn run(&self, job: &Job) -> Next {
        let Some((record, cancel)) = acting(job).and_then(|record| Some((record, record.cancel()?))) else {
            return Next::Idle;
        };
        let confirmed = self.stop_pending(job, record, cancel).await;
        let mut draft = Draft::new(job.job, &job.view, job.now_ms());
        let force = cancel.is_overdue(draft.at_ms());
        let confirmed = confirmed.into_iter().filter(|key| cancel.pending.contains(key)).collect();
        draft.push(&CompleteCancellation { confirmed, errors: Vec::new(), force });
        if draft.is_empty() {
            return Next::After(pause(cancel, job.now_ms()));
        }
        settle_workflows(&mut draft);
        settle_job(&mut draft);
        let committed = self.shared.commit(job.job, draft).await;
        self.memory.forget(job.job);
        committed.next()
    }

    /// Everything that was confirmed so far in this leadership.
    async fn stop_pending(&self, job: &Job, record: &JobRecord, cancel: &Cancel) -> BTreeSet<AttemptKey> {
        let known = self.memory.with((job.job, job.term), |confirmed| confirmed.clone());
        let open = record.open_attempts();
        let left: Vec<OpenAttempt> =
            open.filter(|open| cancel.pending.contains(&open.key) && !known.contains(&open.key)).collect();
        let stopped = stop(&self.shared, job, (&left, cancel.order.grace_ms)).await;
        self.memory.with((job.job, job.term), |confirmed| {
            confirmed.extend(stopped);
            confirmed.clone()
        })
    }
}

fn pause(cancel: &Cancel, now_ms: u64) -> Duration {
    let left = Duration::from_millis(cancel.order.deadline_ms.saturating_sub(now_ms));
    AGAIN.min(left.max(Duration::from_millis(10)))
}
