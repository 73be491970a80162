//! `set_job`: creates the job's record or moves it.

use std::collections::BTreeMap;

use imbl::Vector;
use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::Token;
use muster_wire::job::{CancelOrder, JobStatus, WorkflowSummary};
use serde::{Deserialize, Serialize};

use super::{ensure, settle};
use crate::machine::state::{GateJob, Record, Settled};

mod cancel;
mod progress;
mod status;

pub use progress::PROGRESS_BYTES_MAX;
/// Cancels of some workflows that one job may have.
pub const WORKFLOW_CANCELS_MAX: usize = 16;

/// Creates the record (`expected_record_version` 0, nothing but a status) or moves it: compare-and-set on the
/// record's own version. Content that is so already is a repeat, whatever the version.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct SetJob {
    /// The record version that this change is based on.
    pub expected_record_version: u64,
    /// The status to move to.
    #[serde(default)]
    pub status: Option<JobStatus>,
    /// Why, in one sentence.
    #[serde(default)]
    pub reason: String,
    /// The datacenters that decided a terminal status.
    #[serde(default)]
    pub deciders: Vec<String>,
    /// Changed summaries by datacenter; at most [`PROGRESS_BYTES_MAX`].
    #[serde(default)]
    pub progress: BTreeMap<String, DcSummaries>,
    /// A cancel, of the job or of some workflows.
    #[serde(default)]
    pub cancel: Option<CancelOrder>,
    /// A datacenter has done what a cancel asked.
    #[serde(default)]
    pub cancel_confirmed: Option<CancelConfirmed>,
    /// A datacenter has said no.
    #[serde(default)]
    pub refused: Option<Refusal>,
}

/// What a datacenter said about its workflows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DcSummaries {
    /// Its lease's token.
    pub dc_token: Token,
    /// The job's status there.
    pub status: JobStatus,
    /// Workflows that changed.
    pub workflows: Vec<WorkflowSummary>,
}

/// A datacenter has done what a cancel asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CancelConfirmed {
    /// Which datacenter.
    pub dc: String,
    /// Position of the workflow cancel; `None`: the whole job is stopped there.
    #[serde(default)]
    pub workflow_cancel: Option<u32>,
    /// Errors and unconfirmed attempts.
    #[serde(default)]
    pub errors: Vec<String>,
}

/// A datacenter has said no.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// Which datacenter.
    pub dc: String,
    /// Why.
    pub why: String,
}

/// Where the record is after `set_job`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobVersions {
    /// For the next compare-and-set.
    pub record_version: u64,
    /// Of the API.
    pub version: u64,
    /// The status.
    pub status: JobStatus,
}

impl JobVersions {
    fn of(record: &Record) -> Self {
        Self { record_version: record.record_version, version: record.version, status: record.status }
    }
}

impl Apply<GateJob> for SetJob {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        settle(match job.record.is_some() {
            true => self.update(job, stamp),
            false => self.create(job, stamp),
        })
    }
}

impl SetJob {
    /// The command that creates a submitted job.
    pub fn creation() -> Self {
        Self { status: Some(JobStatus::Submitted), reason: "accepted".into(), ..Self::default() }
    }

    /// A change of the record that is at `record_version`.
    pub fn at(record_version: u64) -> Self {
        Self { expected_record_version: record_version, ..Self::default() }
    }

    /// Moves to `status`.
    #[must_use]
    pub fn to(mut self, status: JobStatus, reason: impl Into<String>) -> Self {
        self.status = Some(status);
        self.reason = reason.into();
        self
    }

    fn is_creation(&self) -> bool {
        self.expected_record_version == 0 && self.status == Some(JobStatus::Submitted)
    }

    fn create(self, job: &mut GateJob, stamp: Stamp) -> Result<Outcome, Reason> {
        ensure(self.is_creation(), || Reason::UnknownJob)?;
        job.record = Some(Record {
            status: JobStatus::Submitted,
            version: 0,
            record_version: 1,
            created_at_ms: stamp.at_ms,
            started_at_ms: None,
            finished_at_ms: None,
            changed_at_ms: stamp.at_ms,
            settled: None,
            cancel: None,
            workflow_cancels: Vector::new(),
            errors: Vector::new(),
        });
        job.note(crate::machine::What::Status { reason: self.reason }, stamp);
        Ok(Outcome::applied(&JobVersions::of(job.record_mut()?)))
    }

    fn update(self, job: &mut GateJob, stamp: Stamp) -> Result<Outcome, Reason> {
        let version = job.record_mut()?.record_version;
        let expected = self.expected_record_version;
        if self.is_creation() {
            return Ok(Outcome::noop(&JobVersions::of(job.record_mut()?)));
        }
        let mut next = job.clone();
        let changed = self.change(&mut next, stamp);
        if matches!(changed, Ok(false)) {
            return Ok(Outcome::noop(&JobVersions::of(job.record_mut()?)));
        }
        ensure(expected == version, || Reason::Conflict { version })?;
        changed?;
        next.record_mut()?.record_version += 1;
        *job = next;
        Ok(Outcome::applied(&JobVersions::of(job.record_mut()?)))
    }

    fn change(self, job: &mut GateJob, stamp: Stamp) -> Result<bool, Reason> {
        let mut changed = progress::report(job, self.progress, stamp)?;
        changed |= cancel::order(job, self.cancel, stamp)?;
        changed |= cancel::confirm(job, self.cancel_confirmed, stamp)?;
        changed |= cancel::refuse(job, self.refused, stamp)?;
        let settled = Settled { reason: self.reason, datacenters: self.deciders };
        let asked = self.status.map(|to| status::Move { to, settled });
        changed |= status::move_to(job, asked, stamp)?;
        Ok(changed)
    }
}

#[cfg(test)]
#[path = "set_job_test.rs"]
mod set_job_test;
#[cfg(test)]
pub(crate) use set_job_test::CASES;
