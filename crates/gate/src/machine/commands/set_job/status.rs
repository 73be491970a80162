//! The status part of `set_job`.

use muster_machine::{Reason, Stamp};
use muster_wire::job::JobStatus;

use crate::machine::What;
use crate::machine::commands::ensure;
use crate::machine::state::{GateJob, Record, Settled};
use crate::machine::transition::TRANSITIONS;

/// A status with why it is so.
pub(super) struct Move {
    pub(super) to: JobStatus,
    pub(super) settled: Settled,
}

/// Moves the status by the table; to the present one is no change.
pub(super) fn move_to(job: &mut GateJob, asked: Option<Move>, stamp: Stamp) -> Result<bool, Reason> {
    let Some(Move { to, settled }) = asked else { return Ok(false) };
    let record = job.record_mut()?;
    if record.status == to {
        return Ok(false);
    }
    check(record.status, to)?;
    enter(record, to, stamp);
    let reason = settled.reason.clone();
    record.settled = Some(settled);
    job.note(What::Status { reason }, stamp);
    if to.is_terminal() {
        job.note(What::End, stamp);
    }
    Ok(true)
}

fn check(from: JobStatus, to: JobStatus) -> Result<(), Reason> {
    ensure(!from.is_terminal(), || Reason::AlreadyTerminal { status: from })?;
    ensure(TRANSITIONS.allows(from, to), || Reason::not_allowed(format!("{from} does not become {to}")))
}

fn enter(record: &mut Record, to: JobStatus, stamp: Stamp) {
    record.status = to;
    if to == JobStatus::Running {
        record.started_at_ms.get_or_insert(stamp.at_ms);
    }
    if to.is_terminal() {
        record.finished_at_ms = Some(stamp.at_ms);
    }
}
