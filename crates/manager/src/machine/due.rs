//! When something is owed next.

use super::limits::UNACKNOWLEDGED_KEPT_MS;
use super::record::JobRecord;

impl JobRecord {
    /// The earliest of all deadlines, ms since 1970.
    pub fn next_due_ms(&self) -> u64 {
        match self.finished_at_ms {
            Some(finished_at_ms) => self.owed_after_ms(finished_at_ms),
            None => self.open_due_ms(),
        }
    }

    fn open_due_ms(&self) -> u64 {
        let retry_ms = self.workflows.values().filter_map(|workflow| workflow.next_retry_ms()).min();
        let cancel_ms = self.cancel.as_ref().map(|cancel| cancel.order.deadline_ms);
        [retry_ms, cancel_ms].into_iter().flatten().fold(self.deadline_ms, u64::min)
    }

    /// A gate is owed the result at once; without one the job is kept for its retention.
    fn owed_after_ms(&self, finished_at_ms: u64) -> u64 {
        match self.gate {
            Some(_) => finished_at_ms,
            None => self.kept_until_ms().unwrap_or(finished_at_ms),
        }
    }

    /// When a finished job goes without an acknowledgement: after its retention, or much later where gates are owed its
    /// result. They may be cut off for longer than a short retention lasts, and without the result they would wait for it
    /// until the job's timeout.
    pub fn kept_until_ms(&self) -> Option<u64> {
        let owed_ms = self.gate.as_ref().map_or(0, |_| UNACKNOWLEDGED_KEPT_MS);
        let kept_ms = self.spec.retention_ms.max(owed_ms);
        self.finished_at_ms.map(|finished_at_ms| finished_at_ms.saturating_add(kept_ms))
    }
}
