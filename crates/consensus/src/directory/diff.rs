//! What changed between two views: cost follows the change, not the size.

use std::sync::Arc;

use imbl::ordmap::DiffItem;
use muster_wire::{GroupId, JobId};

use super::{Directory, JobRow};

/// One job's change between two views.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobChange {
    /// Registered.
    Added(Arc<JobRow>),
    /// Its replicas, plan or summary changed.
    Changed {
        /// The row as it was.
        before: Arc<JobRow>,
        /// The row as it is.
        now: Arc<JobRow>,
    },
    /// Retired: every copy is to be destroyed.
    Removed {
        /// The job.
        job: JobId,
        /// Its group.
        group: GroupId,
    },
}

impl Directory {
    /// Did a member come, go or change since `before`?
    pub fn has_other_members(&self, before: &Self) -> bool {
        before.members.diff(&self.members).next().is_some()
    }

    /// What happened to jobs since `before`.
    pub fn job_changes_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = JobChange> + 'a {
        before.jobs.diff(&self.jobs).map(|item| match item {
            DiffItem::Add(_, row) => JobChange::Added(row.clone()),
            DiffItem::Update { old: (_, old), new: (_, new) } => {
                JobChange::Changed { before: old.clone(), now: new.clone() }
            }
            DiffItem::Remove(job, row) => JobChange::Removed { job: *job, group: row.group },
        })
    }
}
