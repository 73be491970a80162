//! `register_job`: decides once whether a job exists and where its group is born.

use std::collections::BTreeMap;

use bytes::Bytes;
use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::{Digest, JobStatus};
use muster_wire::{GroupId, Incarnation, JobId, MemberNumber, Token};
use serde::{Deserialize, Serialize};

use super::super::bounds::{
    BUSY_RETRY_MS, KEY_BYTES_MAX, LABEL_BYTES_MAX, NAME_BYTES_MAX, OPENING_BYTES_MAX, OPENINGS_BYTES_MAX,
    RETIRED_BYTES, STATE_BYTES_MAX,
};
use super::super::placement::{Wanted, place};
use super::super::{Birth, Directory, Fingerprint, JobRow, Retired};
use super::within;

/// Registers a job, once: by its id, then by its key. The entry's log index becomes its group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RegisterJob {
    /// The job; gates make the id, managers are given it.
    pub job: JobId,
    /// The client's idempotency key, at most 256 bytes.
    pub key: Option<String>,
    /// SHA-256 of the body as received.
    pub digest: Digest,
    /// The spec's name.
    pub name: String,
    /// The spec's labels, at most 2 KiB.
    pub labels: BTreeMap<String, String>,
    /// Who registers: the first replica and first leader, while it is active.
    pub proposer: MemberNumber,
    /// Members that the proposer holds dead: left out while enough others exist.
    pub avoid: Vec<MemberNumber>,
    /// Replicas wanted.
    pub replication: u32,
    /// Only a tombstone with this status: a job that must never start here.
    pub retired: Option<JobStatus>,
    /// The entry that the job's group begins with, for the directory to keep until it is committed there.
    #[serde(default)]
    pub opening: Option<Bytes>,
}

/// What a registration came to. `digest_equal` false: another body under the same id or key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Registered {
    /// This registration made the job.
    New {
        /// Its group; replicas and birth are in the row.
        group: GroupId,
        /// The directory has taken its opening: the group will begin with it, whatever happens.
        #[serde(default)]
        opened: bool,
    },
    /// It exists.
    Known {
        /// The existing job.
        job: JobId,
        /// Its group.
        group: GroupId,
        /// The same body?
        digest_equal: bool,
    },
    /// It existed, or was retired before it came.
    Gone {
        /// The retired job.
        job: JobId,
        /// How it ended.
        status: JobStatus,
        /// The same body?
        digest_equal: bool,
    },
}

impl Apply<Directory> for RegisterJob {
    fn apply(self, directory: &mut Directory, stamp: Stamp) -> Outcome {
        if let Err(reason) = self.check() {
            return reason.into();
        }
        if let Some(known) = self.known(directory) {
            return Outcome::noop(&known);
        }
        match self.retired {
            Some(status) => self.entomb(directory, stamp, status),
            None => self.create(directory, stamp),
        }
    }
}

impl RegisterJob {
    fn check(&self) -> Result<(), Reason> {
        within(self.key.as_ref().map_or(0, String::len), KEY_BYTES_MAX, "idempotency key")?;
        within(self.name.len(), NAME_BYTES_MAX, "job name")?;
        within(
            self.labels.iter().map(|(key, value)| key.len() + value.len()).sum(),
            LABEL_BYTES_MAX,
            "labels",
        )?;
        match self.retired.is_some_and(|status| !status.is_terminal()) {
            true => Err(Reason::malformed("a tombstone needs a terminal status")),
            false => Ok(()),
        }
    }

    fn known(&self, directory: &Directory) -> Option<Registered> {
        let by_key = || self.key.as_ref().and_then(|key| directory.job_by_key(key));
        self.known_as(directory, self.job).or_else(|| self.known_as(directory, by_key()?))
    }

    fn known_as(&self, directory: &Directory, job: JobId) -> Option<Registered> {
        let live = directory.job(job).map(|row| {
            let digest_equal = row.digest == self.digest;
            Registered::Known { job, group: row.group, digest_equal }
        });
        live.or_else(|| self.gone_as(directory, job))
    }

    fn gone_as(&self, directory: &Directory, job: JobId) -> Option<Registered> {
        let row = directory.tombstone(job)?;
        let digest_equal = row.digest == Fingerprint::of_digest(&self.digest);
        Some(Registered::Gone { job, status: row.status, digest_equal })
    }

    fn entomb(self, directory: &mut Directory, stamp: Stamp, status: JobStatus) -> Outcome {
        let key = self.key.filter(|_| status != JobStatus::Void).map(|key| Fingerprint::of_key(&key));
        let digest = Fingerprint::of_digest(&self.digest);
        directory.put_retired(Retired {
            job: self.job,
            status,
            token: Token(0),
            at_ms: stamp.at_ms,
            key,
            digest,
        });
        directory.prune_retired(0, u64::MAX);
        Outcome::applied(&Registered::Gone { job: self.job, status, digest_equal: true })
    }

    fn create(self, directory: &mut Directory, stamp: Stamp) -> Outcome {
        let group = GroupId(stamp.index);
        if directory.job_of_group(group).is_some() {
            return Reason::malformed("one registration per entry").into();
        }
        let wanted =
            Wanted { group, proposer: self.proposer, avoid: &self.avoid, replication: self.replication };
        let Some(replicas) = place(directory, &wanted) else { return busy() };
        let row = self.with_room(directory).into_row(stamp, replicas);
        if row.weight() + directory.weight() > STATE_BYTES_MAX {
            return busy();
        }
        let opened = row.opening.is_some();
        directory.put_job(row);
        Outcome::applied(&Registered::New { group, opened })
    }

    /// Without its opening, if that or all of them together are too large: then its group has to be born first.
    fn with_room(mut self, directory: &Directory) -> Self {
        let fits = |opening: &Bytes| {
            let bytes = opening.len();
            bytes <= OPENING_BYTES_MAX && directory.opening_bytes + bytes as u64 <= OPENINGS_BYTES_MAX
        };
        self.opening = self.opening.filter(fits);
        self
    }

    fn into_row(self, stamp: Stamp, members: Vec<MemberNumber>) -> JobRow {
        let birth = Birth { proposer: members.first().copied().unwrap_or_default(), replicas: members };
        JobRow {
            job: self.job,
            group: GroupId(stamp.index),
            digest: self.digest,
            name: self.name,
            labels: self.labels,
            key: self.key,
            replicas: birth.raft_ids(),
            birth,
            plan: None,
            set_index: stamp.index,
            incarnation: Incarnation(0),
            summary: None,
            created_at_ms: stamp.at_ms,
            opening: self.opening,
        }
    }
}

impl Directory {
    /// About how many bytes jobs and tombstones take in a snapshot.
    fn weight(&self) -> u64 {
        self.job_bytes + self.retired.len() as u64 * RETIRED_BYTES
    }
}

fn busy() -> Outcome {
    Reason::Busy { retry_after_ms: BUSY_RETRY_MS }.into()
}

#[cfg(test)]
#[path = "register_job_test.rs"]
mod register_job_test;
