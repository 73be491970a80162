//! A group that nobody submitted a job to becomes void, which frees its idempotency key.

use std::time::Duration;

use muster_node::driver::Next;

use super::{Job, reconciler};
use crate::draft::Draft;
use crate::machine::commands::{CompleteJob, WithoutJob};

reconciler!(
    /// Voids a group without a job after the register timeout.
    Void, "void"
);

impl Void {
    async fn run(&self, job: &Job) -> Next {
        let state = &job.view.state;
        if state.record().is_some() || state.status().is_some() {
            return Next::Idle;
        }
        match self.left(job) {
            Some(left) => Next::After(left),
            None => self.void(job).await,
        }
    }

    /// What is left of the time to submit; `None`: it is over.
    fn left(&self, job: &Job) -> Option<Duration> {
        let directory = job.coordinator.directory();
        let registered_ms = directory.job(job.job).map_or_else(|| job.now_ms(), |row| row.created_at_ms);
        let over_ms = registered_ms.saturating_add(self.shared.register_timeout.as_millis() as u64);
        let left_ms = over_ms.saturating_sub(job.now_ms());
        (left_ms > 0).then(|| Duration::from_millis(left_ms))
    }

    async fn void(&self, job: &Job) -> Next {
        let mut draft = Draft::new(job.job, &job.view, job.now_ms());
        draft.push(&CompleteJob { acknowledged_by_gate: false, without_job: WithoutJob::Void });
        self.shared.commit(job.job, draft).await.next()
    }
}
