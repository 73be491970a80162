//! When a job must be looked at again, whatever sleeps.

use muster_wire::spec::OnDcLost;

use super::state::{GateJob, Record};

/// A registration without a submission is looked at so long after it, ms.
pub(crate) const REGISTRATION_MS: u64 = 60_000;
/// Work that is owed now is looked at again after so long, ms.
pub(crate) const OWED_MS: u64 = 5_000;
/// Datacenters have so long after the job's timeout to report it themselves, ms.
pub(crate) const TIMEOUT_GRACE_MS: u64 = 15_000;

/// The earliest of all deadlines, replicated ms since 1970; a tombstone is due at once.
pub(super) fn next_due_ms(job: &GateJob) -> Option<u64> {
    if let Some(retired) = job.tombstone {
        return Some(retired.at_ms);
    }
    let Some(record) = &job.record else { return Some(job.registered_at_ms() + REGISTRATION_MS) };
    let dues = [owed(job, record), ending(job, record), cancel_deadline(record), failover(job, record)];
    dues.into_iter().flatten().min()
}

impl GateJob {
    /// When the gates end the job by themselves, ms since 1970: its timeout, and time for datacenters to say so.
    pub fn timeout_at_ms(&self) -> Option<u64> {
        let record = self.record.as_ref()?;
        let timeout = self.spec()?.timeout_ms;
        let grace = u64::from(self.dcs.values().any(|dc| dc.may_run())) * TIMEOUT_GRACE_MS;
        Some(record.created_at_ms.saturating_add(timeout).saturating_add(grace))
    }

    /// When a finished job is purged, ms since 1970.
    pub fn retention_ends_ms(&self) -> Option<u64> {
        let finished = self.record.as_ref()?.finished_at_ms?;
        Some(finished.saturating_add(self.retention_ms()))
    }

    /// How long a finished job is kept, ms.
    pub fn retention_ms(&self) -> u64 {
        self.spec().map_or(REGISTRATION_MS, |spec| spec.retention_ms)
    }

    /// Does every target know the job, or will never?
    pub fn is_routed(&self) -> bool {
        self.all_targets_reported(|dc| dc.has_accepted() || dc.result.is_some())
    }
}

fn owed(job: &GateJob, record: &Record) -> Option<u64> {
    let unrouted = !record.status.is_terminal() && !job.is_routed();
    let cancels = [job.owed_stops().is_empty(), job.owed_workflow_cancels().is_empty()].contains(&false);
    (unrouted || cancels || job.owes_callbacks()).then_some(record.changed_at_ms + OWED_MS)
}

fn ending(job: &GateJob, record: &Record) -> Option<u64> {
    match record.status.is_terminal() {
        true => job.retention_ends_ms(),
        false => job.timeout_at_ms(),
    }
}

/// A job that fails over from a lost datacenter is watched as long as one runs it.
fn failover(job: &GateJob, record: &Record) -> Option<u64> {
    let asks = job.spec().is_some_and(|spec| spec.on_dc_lost == OnDcLost::Failover);
    let watched = asks && !record.status.is_terminal();
    let lost_after_ms = job.dcs.values().filter(|dc| dc.may_run()).map(|dc| dc.lost_after_ms).min();
    lost_after_ms.filter(|_| watched).map(|ms| record.changed_at_ms.saturating_add(ms))
}

fn cancel_deadline(record: &Record) -> Option<u64> {
    let open = !record.status.is_terminal();
    record.cancel.as_ref().filter(|_| open).map(|order| order.deadline_ms)
}
