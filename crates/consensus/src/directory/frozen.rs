//! The snapshot's form: rows as arrays rather than maps, since there may be over 100,000 of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use muster_wire::job::{Digest, JobStatus};
use muster_wire::{CodecError, GroupId, Incarnation, JobId, MemberNumber, RaftId, Token};
use serde::{Deserialize, Serialize};

use super::{Birth, Directory, Fingerprint, JobRow, JobSummary, MemberRow, Plan, Retired};

const VERSION: u16 = 1;

#[derive(Serialize, Deserialize)]
struct Frozen {
    version: u16,
    feature: u16,
    last_member: MemberNumber,
    members: Vec<Arc<MemberRow>>,
    jobs: Vec<FrozenJob>,
    retired: Vec<FrozenRetired>,
}

#[derive(Serialize, Deserialize)]
struct FrozenJob(
    JobId,
    GroupId,
    Digest,
    String,
    BTreeMap<String, String>,
    Option<String>,
    Vec<MemberNumber>,
    FrozenSet,
    Option<FrozenSummary>,
    u64,
    #[serde(default)] Option<Bytes>,
);

/// Replicas, plan (out, into), set index, highest incarnation.
#[derive(Serialize, Deserialize)]
struct FrozenSet(Vec<RaftId>, Option<(RaftId, RaftId)>, u64, Incarnation);

#[derive(Serialize, Deserialize)]
struct FrozenSummary(JobStatus, u64, Token, u8, u64, Option<u64>, Option<u64>, bool);

#[derive(Serialize, Deserialize)]
struct FrozenRetired(JobId, u8, Token, u64, Option<Fingerprint>, Fingerprint);

pub(super) fn encode(directory: &Directory) -> Result<Vec<u8>, CodecError> {
    muster_wire::encode(&Frozen {
        version: VERSION,
        feature: directory.feature,
        last_member: directory.last_member,
        members: directory.members.values().cloned().collect(),
        jobs: directory.jobs().map(FrozenJob::of).collect(),
        retired: directory.retired.in_order().map(FrozenRetired::of).collect(),
    })
}

pub(super) fn restore(bytes: &[u8]) -> Result<Directory, CodecError> {
    let frozen: Frozen = muster_wire::decode(bytes)?;
    if frozen.version != VERSION {
        return Err(CodecError::Malformed(format!("directory version {} is not known", frozen.version)));
    }
    let mut directory =
        Directory { feature: frozen.feature, last_member: frozen.last_member, ..Directory::default() };
    frozen.members.into_iter().for_each(|row| directory.put_member(Arc::unwrap_or_clone(row)));
    frozen.jobs.into_iter().for_each(|row| directory.put_job(row.thaw()));
    frozen.retired.into_iter().try_for_each(|row| row.thaw().map(|row| directory.put_retired(row)))?;
    Ok(directory)
}

impl FrozenJob {
    fn of(row: &JobRow) -> Self {
        Self(
            row.job,
            row.group,
            row.digest,
            row.name.clone(),
            row.labels.clone(),
            row.key.clone(),
            row.birth.replicas.clone(),
            FrozenSet(
                row.replicas.clone(),
                row.plan.map(|plan| (plan.out, plan.into)),
                row.set_index,
                row.incarnation,
            ),
            row.summary.as_ref().map(FrozenSummary::of),
            row.created_at_ms,
            row.opening.clone(),
        )
    }

    fn thaw(self) -> JobRow {
        let FrozenSet(replicas, plan, set_index, incarnation) = self.7;
        JobRow {
            job: self.0,
            group: self.1,
            digest: self.2,
            name: self.3,
            labels: self.4,
            key: self.5,
            birth: Birth { proposer: self.6.first().copied().unwrap_or_default(), replicas: self.6 },
            replicas,
            plan: plan.map(|(out, into)| Plan { out, into }),
            set_index,
            incarnation,
            summary: self.8.map(FrozenSummary::thaw),
            created_at_ms: self.9,
            opening: self.10,
        }
    }
}

impl FrozenSummary {
    fn of(of: &JobSummary) -> Self {
        let (started, finished) = (of.started_at_ms, of.finished_at_ms);
        Self(
            of.status,
            of.version,
            of.token,
            of.progress_percent,
            of.created_at_ms,
            started,
            finished,
            of.delivered,
        )
    }

    fn thaw(self) -> JobSummary {
        let Self(
            status,
            version,
            token,
            progress_percent,
            created_at_ms,
            started_at_ms,
            finished_at_ms,
            delivered,
        ) = self;
        JobSummary {
            status,
            version,
            token,
            progress_percent,
            created_at_ms,
            started_at_ms,
            finished_at_ms,
            delivered,
        }
    }
}

impl FrozenRetired {
    fn of(row: &Retired) -> Self {
        Self(row.job, code(row.status), row.token, row.at_ms, row.key, row.digest)
    }

    fn thaw(self) -> Result<Retired, CodecError> {
        let Self(job, code, token, at_ms, key, digest) = self;
        let status = status(code).ok_or_else(|| CodecError::Malformed(format!("job status {code}")))?;
        Ok(Retired { job, status, token, at_ms, key, digest })
    }
}

/// One byte for a tombstone's status; never renumbered.
const fn code(status: JobStatus) -> u8 {
    match status {
        JobStatus::Submitted => 1,
        JobStatus::Queued => 2,
        JobStatus::Dispatching => 3,
        JobStatus::Running => 4,
        JobStatus::Completing => 5,
        JobStatus::Cancelling => 6,
        JobStatus::Completed => 7,
        JobStatus::Partial => 8,
        JobStatus::Failed => 9,
        JobStatus::Cancelled => 10,
        JobStatus::TimedOut => 11,
        JobStatus::Void => 12,
    }
}

fn status(wanted: u8) -> Option<JobStatus> {
    JobStatus::ALL.iter().copied().find(|status| code(*status) == wanted)
}
