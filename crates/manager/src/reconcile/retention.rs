//! A finished job that nobody is owed is kept for its retention, or until room is needed; one that no gate acknowledged
//! for a day at least.

use std::time::Duration;

use muster_node::driver::Next;

use super::forget::{Holder, purge};
use super::{Job, acting, reconciler};
use crate::machine::JobRecord;

/// Jobs that make room at a time, over the whole datacenter.
const ROOM: usize = 64;
/// How often a kept job looks whether room is needed.
const LOOK: Duration = Duration::from_secs(5);

reconciler!(
    /// Purges at the end of retention.
    Retention, "retention"
);

impl Retention {
    async fn run(&self, job: &Job) -> Next {
        let Some(record) = acting(job) else { return Next::Idle };
        let Some(kept_until_ms) = record.kept_until_ms() else { return Next::Idle };
        match (job.now_ms() >= kept_until_ms, makes_room(job, record)) {
            (true, _) => purge(&self.shared, job, (record, Holder::Expired)).await,
            (false, true) => purge(&self.shared, job, (record, Holder::Acknowledged)).await,
            (false, false) => {
                Next::After(LOOK.min(Duration::from_millis(kept_until_ms.saturating_sub(job.now_ms()))))
            }
        }
    }
}

/// At 90 % of the groups that fit, finished jobs that nobody is owed go, oldest first.
fn makes_room(job: &Job, record: &JobRecord) -> bool {
    record.gate().is_none() && job.coordinator.directory().purgeable(ROOM).contains(&job.job)
}
