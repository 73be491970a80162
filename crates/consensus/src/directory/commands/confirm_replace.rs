//! `confirm_replace`: Raft's membership has become what was planned.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::{JobId, RaftId};
use serde::{Deserialize, Serialize};

use super::super::{Directory, JobRow, Plan};

/// Says that the group's uniform membership without `out` and with `into` is committed: the host of `out` destroys its
/// copy on applying this. Answers the row's new `set_index`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConfirmReplace {
    /// The job.
    pub job: JobId,
    /// The replica that went.
    pub out: RaftId,
    /// The replica that came.
    pub into: RaftId,
}

impl Apply<Directory> for ConfirmReplace {
    fn apply(self, directory: &mut Directory, stamp: Stamp) -> Outcome {
        let Some(row) = directory.job(self.job).cloned() else { return directory.no_job(self.job).into() };
        if self.is_done(&row) {
            return Outcome::noop(&row.set_index);
        }
        if row.plan != Some(Plan { out: self.out, into: self.into }) {
            return Reason::Conflict { version: row.set_index }.into();
        }
        directory.put_job(self.replaced(row, stamp.index));
        Outcome::applied(&stamp.index)
    }
}

impl ConfirmReplace {
    fn is_done(&self, row: &JobRow) -> bool {
        row.replicas.contains(&self.into) && !row.replicas.contains(&self.out)
    }

    fn replaced(&self, mut row: JobRow, index: u64) -> JobRow {
        row.replicas.retain(|id| *id != self.out);
        row.replicas.push(self.into);
        row.plan = None;
        row.set_index = index;
        row
    }
}

impl Directory {
    /// Why a job has no row.
    pub(super) fn no_job(&self, job: JobId) -> Reason {
        let gone = self.tombstone(job).map(|row| Reason::Gone { status: row.status });
        gone.unwrap_or(Reason::UnknownJob)
    }
}

#[cfg(test)]
#[path = "confirm_replace_test.rs"]
mod confirm_replace_test;
