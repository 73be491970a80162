//! Changes of rows, each with its indexes: the only places that write them.

use std::sync::Arc;

use muster_allocator::lasting;
use muster_wire::{JobId, MemberNumber};

use super::bounds::REMOVED_MAX;
use super::{Directory, Fingerprint, JobRow, JobSummary, MemberRow, Retired};

impl Directory {
    /// Adds or replaces a job's row.
    pub(super) fn put_job(&mut self, row: JobRow) {
        lasting(|| self.put_lasting(&row));
    }

    /// A copy of the row, so that its strings last beside it.
    fn put_lasting(&mut self, row: &JobRow) {
        self.drop_job(row.job);
        row.holders().for_each(|member| self.count_held(member, 1));
        self.job_bytes += row.weight();
        self.opening_bytes += row.opening_bytes();
        self.groups.insert(row.group, row.job);
        if let Some(key) = &row.key {
            self.keys.insert(Fingerprint::of_key(key), row.job);
        }
        self.jobs.insert(row.job, Arc::new(row.clone()));
    }

    /// Whoever sums a job up has applied what its group began with: a quorum of the group holds that for good.
    pub(super) fn put_summary(&mut self, job: JobId, summary: JobSummary) -> bool {
        let Some(row) = lasting(|| self.jobs.get_mut(&job).map(Arc::make_mut)) else { return false };
        let opening_bytes = row.opening_bytes();
        row.opening = None;
        row.summary = Some(summary);
        self.opening_bytes = self.opening_bytes.saturating_sub(opening_bytes);
        self.job_bytes = self.job_bytes.saturating_sub(opening_bytes);
        true
    }

    /// Removes a job's row and everything that points to it.
    pub(super) fn drop_job(&mut self, job: JobId) -> Option<Arc<JobRow>> {
        let row = self.jobs.remove(&job)?;
        row.holders().for_each(|member| self.count_held(member, -1));
        self.job_bytes = self.job_bytes.saturating_sub(row.weight());
        self.opening_bytes = self.opening_bytes.saturating_sub(row.opening_bytes());
        self.groups.remove(&row.group);
        if let Some(key) = &row.key {
            self.keys.remove(&Fingerprint::of_key(key));
        }
        Some(row)
    }

    fn count_held(&mut self, member: MemberNumber, by: i32) {
        let held = self.held(member).saturating_add_signed(by);
        match held {
            0 => self.held.remove(&member),
            _ => self.held.insert(member, held),
        };
    }

    /// Adds a tombstone; its key, if any, points to it from now on.
    pub(super) fn put_retired(&mut self, row: Retired) {
        if let Some(key) = row.key {
            self.keys.insert(key, row.job);
        }
        self.retired.put(row);
    }

    /// Drops tombstones that are over age or over the bound.
    pub(super) fn prune_retired(&mut self, now_ms: u64, keep_ms: u64) -> usize {
        let dropped = self.retired.prune(now_ms, keep_ms);
        for key in dropped.iter().filter_map(|row| row.key) {
            self.keys.remove(&key);
        }
        dropped.len()
    }

    /// Adds or replaces a member's row, whose name never changes. The newest member that was not removed owns it.
    pub(super) fn put_member(&mut self, row: MemberRow) {
        self.last_member = self.last_member.max(row.number);
        let name = row.name.clone();
        self.members.insert(row.number, Arc::new(row));
        self.index_name(name);
        self.forget_removed();
    }

    fn index_name(&mut self, name: String) {
        let owner = self.members.values().rev().find(|row| row.is_present() && row.name == name);
        match owner.map(|row| row.number) {
            Some(number) => self.names.insert(name, number),
            None => self.names.remove(&name),
        };
    }

    /// Rows of removed members are bounded; one that still stands in a set is kept.
    fn forget_removed(&mut self) {
        let removed = self.members.values().filter(|row| !row.is_present());
        let numbers: Vec<MemberNumber> = removed.map(|row| row.number).collect();
        let over = numbers.len().saturating_sub(REMOVED_MAX);
        let idle: Vec<_> = numbers.into_iter().filter(|number| self.held(*number) == 0).take(over).collect();
        for number in idle {
            self.members.remove(&number);
        }
    }
}
