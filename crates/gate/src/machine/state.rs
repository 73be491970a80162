//! The state of one job's group on the gates.

use std::sync::Arc;

use imbl::{OrdMap, Vector};
use muster_machine::{Entry, Machine, Reason, Retired, Stamp, Table};
use muster_wire::job::{CancelOrder, Digest, JobStatus};
use muster_wire::spec::JobSpec;
use muster_wire::{CodecError, GroupId, JobId, NodeRef, Token, WorkflowIx};
use serde::{Deserialize, Serialize};

use super::callback::{Callback, DroppedCallback};
use super::commands::ReleaseGateLeadership;
use super::datacenter::Dc;
use super::event::{Event, What};
use super::leadership::Leadership;
use super::targets::Targets;
use super::{due, table};

/// Events that are kept per job.
pub const EVENTS_MAX: usize = 1_000;
/// Errors that are kept per job.
pub const ERRORS_MAX: usize = 100;
const FORMAT: u16 = 1;

/// One job at the gates: blank until `set_job` creates its record, a tombstone once it is purged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GateJob {
    /// The group.
    pub group: GroupId,
    /// The job; its id carries the time of registration.
    pub job: JobId,
    /// All that is left of a purged job.
    pub tombstone: Option<Retired>,
    /// Status and versions; `None` before the job is submitted.
    pub record: Option<Record>,
    /// What was submitted.
    pub submission: Option<Arc<Submission>>,
    /// Who acts for the job.
    pub leadership: Leadership,
    /// Where it is to run.
    pub targets: Targets,
    /// Every datacenter that is, or was, a target or held a lease.
    pub dcs: OrdMap<String, Dc>,
    /// Webhooks by url.
    pub callbacks: OrdMap<String, Callback>,
    /// Membership events that concern this group, newest last.
    pub members: Vector<MemberChange>,
    /// Visible changes, newest last: contiguous versions up to the record's.
    pub events: Vector<Event>,
    /// Webhooks that were removed or given up, newest last.
    #[serde(default)]
    pub dropped_callbacks: Vector<DroppedCallback>,
}

/// A job's status and versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its status.
    pub status: JobStatus,
    /// Visible changes so far: the version of the API and the id of the last event.
    pub version: u64,
    /// Changes by `set_job` so far: what its compare-and-set compares.
    pub record_version: u64,
    /// Acceptance, replicated ms since 1970.
    pub created_at_ms: u64,
    /// First shard started.
    pub started_at_ms: Option<u64>,
    /// Terminal.
    pub finished_at_ms: Option<u64>,
    /// Last visible change.
    pub changed_at_ms: u64,
    /// Why it has this status.
    pub settled: Option<Settled>,
    /// The committed cancel of the whole job.
    pub cancel: Option<Arc<CancelOrder>>,
    /// Committed cancels of some workflows.
    pub workflow_cancels: Vector<Arc<CancelOrder>>,
    /// What went wrong, newest last.
    pub errors: Vector<String>,
}

/// Why a job has its status, and who decided a terminal one.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settled {
    /// One sentence.
    pub reason: String,
    /// The datacenters that decided it.
    pub datacenters: Vec<String>,
}

/// What was submitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// The validated job.
    pub spec: JobSpec,
    /// Of the body as received.
    pub digest: Digest,
    /// The client's idempotency key.
    pub key: Option<String>,
}

/// A membership event that concerned this group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberChange {
    /// What happened.
    pub event: super::commands::MemberEvent,
    /// To whom.
    pub node: NodeRef,
    /// When, replicated ms since 1970.
    pub at_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct Frozen {
    format: u16,
    job: GateJob,
}

impl GateJob {
    /// The status: the tombstone's, the record's, or none.
    pub fn status(&self) -> Option<JobStatus> {
        let retired = self.tombstone.map(|retired| retired.status);
        retired.or_else(|| self.record.as_ref().map(|record| record.status))
    }

    /// Is there a record with a status that will not change any more?
    pub fn is_terminal(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.status.is_terminal())
    }

    /// Is the whole job being cancelled?
    pub fn is_cancelling(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.status == JobStatus::Cancelling)
    }

    /// The submitted job.
    pub fn spec(&self) -> Option<&JobSpec> {
        self.submission.as_deref().map(|submission| &submission.spec)
    }

    /// When the job was registered, by its id, ms since 1970.
    pub fn registered_at_ms(&self) -> u64 {
        u64::try_from(self.job.0 >> 80).unwrap_or(u64::MAX)
    }

    /// The datacenter's entry.
    pub fn dc(&self, name: &str) -> Option<&Dc> {
        self.dcs.get(name)
    }

    /// Results of a workflow: is there one of every target?
    pub fn all_targets_reported(&self, has: impl Fn(&Dc) -> bool) -> bool {
        let mut targets = self.targets.primaries.iter();
        !self.targets.primaries.is_empty() && targets.all(|name| self.dcs.get(name).is_some_and(&has))
    }

    /// Every workflow result that is accepted, by datacenter.
    pub fn has_workflow_everywhere(&self, workflow: WorkflowIx) -> bool {
        self.all_targets_reported(|dc| dc.workflow_results.contains_key(&workflow))
    }

    pub(super) fn record_mut(&mut self) -> Result<&mut Record, Reason> {
        self.record.as_mut().ok_or(Reason::UnknownJob)
    }

    /// Appends a visible change. Nothing is visible after the end.
    pub(super) fn note(&mut self, what: What, stamp: Stamp) {
        let Some(record) = self.record.as_mut() else { return };
        if self.events.last().is_some_and(|last| last.what == What::End) {
            return;
        }
        record.version += 1;
        record.changed_at_ms = stamp.at_ms;
        let event = Event { version: record.version, at_ms: stamp.at_ms, status: record.status, what };
        self.events.push_back(event);
        while self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
    }

    /// Keeps what went wrong, the newest [`ERRORS_MAX`].
    pub(super) fn note_errors(&mut self, errors: impl IntoIterator<Item = String>) {
        let Some(record) = self.record.as_mut() else { return };
        record.errors.extend(errors);
        while record.errors.len() > ERRORS_MAX {
            record.errors.pop_front();
        }
    }

    /// Everything freed but a tombstone.
    pub(super) fn purge(&mut self, status: JobStatus, at_ms: u64) {
        let tombstone = Some(Retired { status, token: self.leadership.token, at_ms });
        *self = Self { group: self.group, job: self.job, tombstone, ..Self::default() };
    }
}

impl Machine for GateJob {
    const TIER: &'static str = "gate";

    fn table() -> &'static Table<Self> {
        &table::COMMANDS
    }

    fn token(&self) -> Token {
        self.tombstone.map_or(self.leadership.token, |retired| retired.token)
    }

    fn born(&mut self, group: GroupId, job: JobId) {
        self.group = group;
        self.job = job;
    }

    fn release(&self, leader: &NodeRef, successor: &NodeRef, entry: Entry) -> Option<Entry> {
        let acts = self.leadership.is_led_by(leader) && !self.is_terminal();
        let (node, successor) = (leader.clone(), Some(successor.clone()));
        let released = || entry.with(&ReleaseGateLeadership { node, successor }).ok();
        acts.then(released).flatten()
    }

    fn next_due_ms(&self) -> Option<u64> {
        due::next_due_ms(self)
    }

    fn retired(&self) -> Option<Retired> {
        self.tombstone
    }

    fn encode(&self) -> Result<Vec<u8>, CodecError> {
        muster_wire::encode(&Frozen { format: FORMAT, job: self.clone() })
    }

    fn restore(bytes: &[u8]) -> Result<Self, CodecError> {
        let frozen: Frozen = muster_wire::decode(bytes)?;
        match frozen.format {
            FORMAT => Ok(frozen.job),
            other => Err(CodecError::Malformed(format!("gate job format {other} is not known"))),
        }
    }
}
