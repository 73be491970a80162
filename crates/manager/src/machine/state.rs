//! The state of a job's group: nothing yet, a record with its leader and token, or a tombstone.

use muster_machine::{Entry, Machine, Reason, Retired, Table};
use muster_wire::job::JobStatus;
use muster_wire::{CodecError, GroupId, JobId, NodeRef, Token};
use serde::{Deserialize, Serialize};

use super::commands::ReleaseJobLeadership;
use super::limits::{SUCCESSOR_HOLD_MS, UNUSED_DUE_MS};
use super::record::JobRecord;
use super::table::COMMANDS;

/// The managers' state machine of one job. `Clone` is O(1).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ManagerJob {
    pub(super) group: GroupId,
    pub(super) job: JobId,
    pub(super) token: Token,
    pub(super) leader: Option<NodeRef>,
    pub(super) hold: Option<Hold>,
    pub(super) tombstone: Option<Retired>,
    pub(super) record: Option<JobRecord>,
}

/// Only the successor may lead until then: a planned hand-over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hold {
    /// Who.
    pub successor: NodeRef,
    /// Until when, replicated time.
    pub until_ms: u64,
}

impl Hold {
    /// A hold from `at_ms` on.
    pub const fn new(successor: NodeRef, at_ms: u64) -> Self {
        Self { successor, until_ms: at_ms.saturating_add(SUCCESSOR_HOLD_MS) }
    }
}

const VERSION: u16 = 1;

impl Machine for ManagerJob {
    const TIER: &'static str = "manager";

    fn table() -> &'static Table<Self> {
        &COMMANDS
    }

    fn token(&self) -> Token {
        self.token
    }

    fn born(&mut self, group: GroupId, job: JobId) {
        self.group = group;
        self.job = job;
    }

    fn release(&self, leader: &NodeRef, successor: &NodeRef, entry: Entry) -> Option<Entry> {
        let is_open = self.record.as_ref().is_some_and(|record| !record.status.is_terminal());
        let acts = is_open & (self.leader.as_ref() == Some(leader));
        let (node, successor) = (leader.clone(), Some(successor.clone()));
        let released = || entry.with(&ReleaseJobLeadership { node, successor }).ok();
        acts.then(released).flatten()
    }

    fn next_due_ms(&self) -> Option<u64> {
        match (&self.tombstone, &self.record) {
            (Some(_), _) => None,
            (None, Some(record)) => Some(record.next_due_ms()),
            (None, None) => Some(self.unused_due_ms()),
        }
    }

    fn retired(&self) -> Option<Retired> {
        self.tombstone
    }

    fn encode(&self) -> Result<Vec<u8>, CodecError> {
        muster_wire::encode(&(VERSION, self))
    }

    fn restore(bytes: &[u8]) -> Result<Self, CodecError> {
        let (version, mut state): (u16, Self) = muster_wire::decode(bytes)?;
        if version != VERSION {
            return Err(CodecError::Malformed(format!("state version {version} is not known")));
        }
        if let Some(record) = &mut state.record {
            record.reindex();
        }
        Ok(state)
    }
}

impl ManagerJob {
    /// The job's id.
    pub const fn job(&self) -> JobId {
        self.job
    }

    /// Who may act for the job.
    pub const fn leader(&self) -> Option<&NodeRef> {
        self.leader.as_ref()
    }

    /// The job, unless it does not exist or was purged.
    pub const fn record(&self) -> Option<&JobRecord> {
        self.record.as_ref()
    }

    /// The job's status; a purged one's is how it ended.
    pub fn status(&self) -> Option<JobStatus> {
        let purged = self.tombstone.map(|tombstone| tombstone.status);
        purged.or_else(|| self.record.as_ref().map(|record| record.status))
    }

    /// A group that nobody used becomes due some time after its job id was made.
    pub fn unused_due_ms(&self) -> u64 {
        let made_ms = u64::try_from(self.job.0 >> 80).unwrap_or(u64::MAX);
        made_ms.saturating_add(UNUSED_DUE_MS)
    }

    /// May this node lead now, as far as a planned hand-over goes?
    pub(super) fn check_hold(&self, node: &NodeRef, at_ms: u64) -> Result<(), Reason> {
        let held = self.hold.as_ref().filter(|hold| at_ms < hold.until_ms);
        match held.is_none_or(|hold| hold.successor == *node) {
            true => Ok(()),
            false => Err(Reason::NotYet),
        }
    }

    /// The next token, if the entry carries it or none.
    pub(super) fn next_token(&self, carried: Token) -> Result<Token, Reason> {
        let next = self.token.next();
        match carried == Token(0) || carried == next {
            true => Ok(next),
            false => Err(Reason::Conflict { version: self.token.0 }),
        }
    }

    /// Makes a node the leader under a token.
    pub(super) fn lead(&mut self, node: NodeRef, token: Token) {
        self.leader = Some(node);
        self.token = token;
        self.hold = None;
    }

    /// The record, for commands behind the `job_exists` guard.
    pub(super) fn record_mut(&mut self) -> Result<&mut JobRecord, Reason> {
        self.record.as_mut().ok_or(Reason::UnknownJob)
    }

    /// Frees everything but the tombstone.
    pub(super) fn bury(&mut self, status: JobStatus, at_ms: u64) {
        self.tombstone = Some(Retired { status, token: self.token, at_ms });
        self.record = None;
        self.leader = None;
        self.hold = None;
    }
}
