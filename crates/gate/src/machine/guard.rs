//! Conditions that the table checks before a command is decoded.

use muster_machine::{Machine as _, Reason, Stamp, fence};
use muster_wire::Token;

use super::leadership::TOKEN_REACH;
use super::state::GateJob;

/// The group is not a tombstone.
pub(super) fn not_gone(job: &GateJob, _: &Stamp) -> Result<(), Reason> {
    match job.tombstone {
        Some(retired) => Err(Reason::Gone { status: retired.status }),
        None => Ok(()),
    }
}

/// The group holds a job.
pub(super) fn job_exists(job: &GateJob, stamp: &Stamp) -> Result<(), Reason> {
    not_gone(job, stamp)?;
    match job.record {
        Some(_) => Ok(()),
        None => Err(Reason::UnknownJob),
    }
}

/// The entry carries the job's token.
pub(super) fn current_token(job: &GateJob, stamp: &Stamp) -> Result<(), Reason> {
    let known = job.token();
    check_reach(job, stamp.token)?;
    fence::check(known, stamp.token)
}

/// The entry carries no token, or one that is not older than the job's.
pub(super) fn token_if_any(job: &GateJob, stamp: &Stamp) -> Result<(), Reason> {
    let known = job.token();
    check_reach(job, stamp.token)?;
    match stamp.token != Token(0) && stamp.token < known {
        true => Err(Reason::Fenced { by: known }),
        false => Ok(()),
    }
}

/// A token is refused that is too far ahead of the known one.
pub(super) fn check_reach(job: &GateJob, token: Token) -> Result<(), Reason> {
    let furthest = job.token().max(job.leadership.floor).0.saturating_add(TOKEN_REACH);
    match token.0 > furthest {
        true => Err(Reason::TokenOutOfRange),
        false => Ok(()),
    }
}

/// The job has not ended.
pub(super) fn job_open(job: &GateJob, _: &Stamp) -> Result<(), Reason> {
    match job.record.as_ref().map(|record| record.status) {
        Some(status) if status.is_terminal() => Err(Reason::AlreadyTerminal { status }),
        _ => Ok(()),
    }
}
