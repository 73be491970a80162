//! What can be asked of the directory.

use std::sync::Arc;

use muster_machine::FEATURE;
use muster_wire::{GroupId, JobId, MemberNumber, NodeId, RaftId};

use super::{Directory, Fingerprint, JobRow, MemberRow, MemberStatus, Retired};

/// How many jobs a prefix may name in one answer.
const PREFIX_MATCHES_MAX: usize = 16;

impl Directory {
    /// The row of a job that exists.
    pub fn job(&self, job: JobId) -> Option<&JobRow> {
        self.jobs.get(&job).map(Arc::as_ref)
    }

    /// The job that was registered, or retired, with this idempotency key.
    pub fn job_by_key(&self, key: &str) -> Option<JobId> {
        self.keys.get(&Fingerprint::of_key(key)).copied()
    }

    /// The job of a group.
    pub fn job_of_group(&self, group: GroupId) -> Option<JobId> {
        self.groups.get(&group).copied()
    }

    /// Every job, by id, hence by creation time; reversible.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = &JobRow> {
        self.jobs.values().map(Arc::as_ref)
    }

    /// Jobs with ids below `before`, newest first: a page of a list.
    pub fn jobs_before(&self, before: JobId) -> impl Iterator<Item = &JobRow> {
        self.jobs.range(..before).rev().map(|(_, row)| row.as_ref())
    }

    /// How many jobs exist.
    pub fn jobs_len(&self) -> usize {
        self.jobs.len()
    }

    /// Jobs that have, or are getting, a replica on this member.
    pub fn jobs_of(&self, member: MemberNumber) -> impl Iterator<Item = (&JobRow, RaftId)> {
        self.jobs().filter_map(move |row| row.replica_of(member).map(|id| (row, id)))
    }

    /// What is left of a retired job.
    pub fn tombstone(&self, job: JobId) -> Option<&Retired> {
        self.retired.get(job)
    }

    /// How many tombstones are kept.
    pub fn tombstones_len(&self) -> usize {
        self.retired.len()
    }

    /// Every member, removed ones included, by number.
    pub fn members(&self) -> impl Iterator<Item = &MemberRow> {
        self.members.values().map(Arc::as_ref)
    }

    /// A member.
    pub fn member(&self, number: MemberNumber) -> Option<&MemberRow> {
        self.members.get(&number).map(Arc::as_ref)
    }

    /// The member that owns a name: the newest one with it that was not removed.
    pub fn member_by_name(&self, name: &str) -> Option<&MemberRow> {
        self.names.get(name).and_then(|number| self.member(*number))
    }

    /// The newest member with this node id, removed ones included.
    pub fn member_by_node(&self, node: NodeId) -> Option<&MemberRow> {
        self.members.values().rev().map(Arc::as_ref).find(|row| row.node == node)
    }

    /// Members that may be given groups, by number.
    pub fn active(&self) -> impl Iterator<Item = &MemberRow> {
        self.members().filter(|row| row.status == MemberStatus::Active)
    }

    /// How many groups a member holds or is getting.
    pub fn held(&self, member: MemberNumber) -> u32 {
        self.held.get(&member).copied().unwrap_or_default()
    }

    /// The feature version that may be used: every member understands it.
    pub fn feature(&self) -> u16 {
        self.feature.max(1)
    }

    /// The highest feature version that every present member understands.
    pub fn feature_common(&self) -> u16 {
        self.members().filter(|row| row.is_present()).map(|row| row.feature).min().unwrap_or(FEATURE)
    }

    /// Is the fullest active member at 90 % of its groups?
    pub fn is_nearly_full(&self) -> bool {
        self.active().any(|row| u64::from(self.held(row.number)) * 10 >= u64::from(row.groups_max) * 9)
    }

    /// At 90 % of the capacity: jobs that are over and owe nothing, oldest first; else none.
    pub fn purgeable(&self, most: usize) -> Vec<JobId> {
        match self.is_nearly_full() {
            true => self.oldest_purgeable(most),
            false => Vec::new(),
        }
    }

    fn oldest_purgeable(&self, most: usize) -> Vec<JobId> {
        let over = self.jobs().filter(|row| row.is_purgeable());
        let finished = |row: &JobRow| row.summary.and_then(|summary| summary.finished_at_ms);
        let mut over: Vec<_> = over.map(|row| (finished(row), row.job)).collect();
        over.sort_unstable();
        over.into_iter().take(most).map(|(_, job)| job).collect()
    }

    /// Jobs, retired ones included, whose id starts so (hex digits, hyphens ignored); at most 16.
    pub fn resolve_prefix(&self, prefix: &str) -> Vec<JobId> {
        let Some((first, last)) = id_range(prefix) else { return Vec::new() };
        let live = self.jobs.range(first..=last).map(|(job, _)| *job);
        let retired = self.retired.rows().range(first..=last).map(|(job, _)| *job);
        live.chain(retired).take(PREFIX_MATCHES_MAX).collect()
    }
}

/// The ids that start with these hex digits.
fn id_range(prefix: &str) -> Option<(JobId, JobId)> {
    let digits: String = prefix.chars().filter(|sign| *sign != '-').collect();
    let shift = 32_usize.checked_sub(digits.len())? * 4;
    let value = u128::from_str_radix(&digits, 16).ok()?;
    let first = value.checked_shl(shift as u32)?;
    let rest = (1_u128 << shift) - 1;
    Some((JobId(first), JobId(first | rest)))
}
