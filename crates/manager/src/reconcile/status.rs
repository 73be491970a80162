//! Statuses of workflows and of the job that are due by the state alone: marks, merges, skips, policy, timeout.

use std::time::Duration;

use muster_node::driver::Next;

use super::{Job, acting, reconciler};
use crate::draft::Draft;
use crate::settle::{settle_job, settle_workflows};

reconciler!(
    /// Moves statuses on.
    Status, "status"
);

impl Status {
    async fn run(&self, job: &Job) -> Next {
        let Some(record) = acting(job).filter(|record| !record.status().is_terminal()) else {
            return Next::Idle;
        };
        let mut draft = Draft::new(job.job, &job.view, job.now_ms());
        settle_workflows(&mut draft);
        settle_job(&mut draft);
        match draft.is_empty() {
            true => until(record.deadline_ms(), job.now_ms()),
            false => self.shared.commit(job.job, draft).await.next(),
        }
    }
}

/// Until the job's timeout.
const fn until(deadline_ms: u64, now_ms: u64) -> Next {
    match deadline_ms.saturating_sub(now_ms) {
        0 => Next::Idle,
        left_ms => Next::After(Duration::from_millis(left_ms)),
    }
}
