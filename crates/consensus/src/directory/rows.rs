//! What the directory holds: a row per job, per retired job and per member.

use std::collections::BTreeMap;

use bytes::Bytes;
use muster_wire::job::{Digest, JobStatus};
use muster_wire::{Generation, GroupId, Incarnation, JobId, MemberNumber, NodeId, RaftId, Token};
use serde::{Deserialize, Serialize};

use super::Fingerprint;

/// Where a group was born. Never changes: only these replicas, with incarnation 0, may seed the group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Birth {
    /// The committed leader of term 1; always the first of `replicas`.
    pub proposer: MemberNumber,
    /// The first voters, in rank order.
    pub replicas: Vec<MemberNumber>,
}

impl Birth {
    /// The Raft ids of the first voters.
    pub fn raft_ids(&self) -> Vec<RaftId> {
        self.replicas.iter().map(|member| RaftId::new(*member, Incarnation(0))).collect()
    }
}

/// A replacement under way: the intent that the job's leader carries out in Raft.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The replica that goes.
    pub out: RaftId,
    /// The replica that comes, under an incarnation that this group never had before.
    pub into: RaftId,
}

/// A job at a glance, as its leader last told: up to 2 s old.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobSummary {
    /// Its status.
    pub status: JobStatus,
    /// Rises with each visible change; an older summary never replaces a newer one.
    pub version: u64,
    /// The job's token.
    pub token: Token,
    /// 0..100.
    pub progress_percent: u8,
    /// ms since 1970.
    pub created_at_ms: u64,
    /// ms since 1970.
    pub started_at_ms: Option<u64>,
    /// ms since 1970.
    pub finished_at_ms: Option<u64>,
    /// Nothing is owed to anybody any more: a terminal, delivered job may be purged before its retention ends.
    pub delivered: bool,
}

/// A job that exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobRow {
    /// The job.
    pub job: JobId,
    /// Its group: the log index of its registration.
    pub group: GroupId,
    /// SHA-256 of the body as received.
    pub digest: Digest,
    /// The spec's name.
    pub name: String,
    /// The spec's labels.
    pub labels: BTreeMap<String, String>,
    /// The client's idempotency key.
    pub key: Option<String>,
    /// Where it was born.
    pub birth: Birth,
    /// Where it lives now, by intent.
    pub replicas: Vec<RaftId>,
    /// The change of `replicas` that is being carried out.
    pub plan: Option<Plan>,
    /// Log index of the last change of `replicas` or `plan`: what replacements compare with.
    pub set_index: u64,
    /// The highest incarnation given in this group.
    pub incarnation: Incarnation,
    /// The last summary.
    pub summary: Option<JobSummary>,
    /// When it was registered, ms since 1970.
    pub created_at_ms: u64,
    /// The entry that the group begins with, until the group has told that it is committed there.
    pub opening: Option<Bytes>,
}

impl JobRow {
    /// The member's replica, be it in the set or coming in by the plan; of two the one that comes.
    pub fn replica_of(&self, member: MemberNumber) -> Option<RaftId> {
        let coming = self.plan.map(|plan| plan.into);
        coming.into_iter().chain(self.replicas.iter().copied()).find(|id| id.member() == member)
    }

    /// Is this replica in the set or coming in? If not, its host may destroy it.
    pub fn concerns(&self, replica: RaftId) -> bool {
        self.replicas.contains(&replica) || self.plan.is_some_and(|plan| plan.into == replica)
    }

    /// Members that hold or will hold a replica, each once.
    pub fn holders(&self) -> impl Iterator<Item = MemberNumber> + '_ {
        let coming = self.plan.map(|plan| plan.into.member()).filter(|member| !self.is_held_by(*member));
        self.replicas.iter().map(|id| id.member()).chain(coming)
    }

    fn is_held_by(&self, member: MemberNumber) -> bool {
        self.replicas.iter().any(|id| id.member() == member)
    }

    /// Over, and nothing is owed.
    pub fn is_purgeable(&self) -> bool {
        self.summary.is_some_and(|summary| summary.status.is_terminal() && summary.delivered)
    }

    /// About how many bytes the row takes in a snapshot.
    pub(super) fn weight(&self) -> u64 {
        let labels: usize = self.labels.iter().map(|(key, value)| key.len() + value.len() + 6).sum();
        let key = self.key.as_ref().map_or(0, String::len);
        let replicas = 12 * (self.replicas.len() + self.birth.replicas.len());
        (ROW_BYTES + self.name.len() + labels + key + replicas) as u64 + self.opening_bytes()
    }

    pub(super) fn opening_bytes(&self) -> u64 {
        self.opening.as_ref().map_or(0, |opening| opening.len() as u64)
    }
}

/// The fixed part of a row: ids, digest, times and a summary.
const ROW_BYTES: usize = 180;

/// What is left of a retired job. Serves users (and repeats of its key) only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retired {
    /// The job.
    pub job: JobId,
    /// How it ended.
    pub status: JobStatus,
    /// Its last token.
    pub token: Token,
    /// When it was retired, ms since 1970.
    pub at_ms: u64,
    /// Its idempotency key; `None` also for void jobs, whose key is free again.
    pub key: Option<Fingerprint>,
    /// Its body's digest, shortened.
    pub digest: Fingerprint,
}

/// A member's standing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberStatus {
    /// Has a number, gets no groups yet.
    Joining,
    /// Gets groups.
    Active,
    /// Gets no new groups; is being replaced in its own.
    Draining,
    /// Gone for good; its number is never given again.
    Removed,
}

impl MemberStatus {
    /// The word used in JSON, logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Removed => "removed",
        }
    }
}

/// A member of the cluster, past or present.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberRow {
    /// Its number, never reused.
    pub number: MemberNumber,
    /// Its node id.
    pub node: NodeId,
    /// Its configured name.
    pub name: String,
    /// Highest generation told.
    pub generation: Generation,
    /// Last known `host:port` of its rpc listener: a hint.
    pub rpc: String,
    /// Last known `host:port` of its SWIM socket: a hint.
    pub swim: String,
    /// How many groups it can hold.
    pub groups_max: u32,
    /// Highest feature version that it understands.
    pub feature: u16,
    /// Its standing.
    pub status: MemberStatus,
    /// A voter of the directory group, by intent; else a learner.
    pub voter: bool,
    /// Since when this generation is held dead, ms since 1970.
    pub dead_since_ms: Option<u64>,
    /// When it got its number, ms since 1970.
    pub joined_at_ms: u64,
}

impl MemberRow {
    /// Its replica in the directory group.
    pub fn directory_replica(&self) -> RaftId {
        RaftId::new(self.number, Incarnation(0))
    }

    /// Not removed.
    pub fn is_present(&self) -> bool {
        self.status != MemberStatus::Removed
    }
}
