//! Ends what nobody needs any more: finished jobs after their retention, registrations that were never submitted to.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use muster_machine::Entry;
use muster_node::driver::{Next, Reconciler};
use muster_wire::CodecError;

use super::{Job, acts, commit, entry, settled, unencodable};
use crate::machine::GateJob;
use crate::machine::commands::{CleanupOldJobs, ReleaseDcManagers, ReleaseGateLeadership, ReleaseLease};

/// Longest time between two looks.
const LOOK_MS_MAX: u64 = 60_000;
/// A job that owes its webhooks something is not purged; it is looked at again after this.
const OWED_LOOK_MS: u64 = 1_000;

pub(super) struct RetentionDuty {
    register_timeout_ms: u64,
}

impl RetentionDuty {
    pub(super) const fn new(register_timeout: Duration) -> Self {
        Self { register_timeout_ms: register_timeout.as_millis() as u64 }
    }
}

impl Reconciler<GateJob> for RetentionDuty {
    fn name(&self) -> &'static str {
        "retention"
    }

    fn reconcile<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Next> {
        async move { settled(self.retain(job).await) }.boxed()
    }
}

impl RetentionDuty {
    async fn retain(&self, job: &Job) -> Result<Next, Next> {
        let Some(ends_ms) = self.ends_ms(job) else { return Ok(Next::Idle) };
        if job.view.state.owes_callbacks() {
            return Ok(Next::After(Duration::from_millis(OWED_LOOK_MS)));
        }
        let left_ms = ends_ms.saturating_sub(job.now_ms());
        if left_ms > 0 {
            return Ok(Next::After(Duration::from_millis(left_ms.min(LOOK_MS_MAX))));
        }
        let entry = self.purge(job).map_err(|error| unencodable(&error))?;
        commit(job, "retention", entry).await?;
        Ok(Next::Idle)
    }

    /// When it is purged; `None`: not by time.
    fn ends_ms(&self, job: &Job) -> Option<u64> {
        let state = &job.view.state;
        match (&state.tombstone, &state.record) {
            (Some(_), _) => None,
            (None, None) => Some(state.registered_at_ms().saturating_add(self.register_timeout_ms)),
            (None, Some(_)) => state.retention_ends_ms().filter(|_| acts(job)),
        }
    }

    fn purge(&self, job: &Job) -> Result<Entry, CodecError> {
        match job.view.state.record {
            Some(_) => releases(&job.view.state, entry(job))?
                .with(&CleanupOldJobs { max_age_ms: job.view.state.retention_ms(), unsubmitted: false }),
            None => {
                entry(job).with(&CleanupOldJobs { max_age_ms: self.register_timeout_ms, unsubmitted: true })
            }
        }
    }
}

/// Gives everything back that the job holds: leases, managers, leadership.
pub(crate) fn releases(job: &GateJob, mut entry: Entry) -> Result<Entry, CodecError> {
    for (name, dc) in &job.dcs {
        if let Some(lease) = &dc.lease {
            entry.push(&ReleaseLease { dc: name.clone(), holder: lease.holder.clone() })?;
        }
    }
    entry.push(&ReleaseDcManagers {})?;
    if let Some(node) = job.leadership.leader.clone() {
        entry.push(&ReleaseGateLeadership { node, successor: None })?;
    }
    Ok(entry)
}
