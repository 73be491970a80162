//! The directory: which members a tier's cluster has, which jobs exist, and where each job's group lives. It does not
//! know what a job does.
//!
//! ```text
//!   commands/* ── one file each ──▶ Directory ── queries ──▶ hosts (which groups are mine?), lists, routing
//!                                       │
//!        placement: who holds a new group, by hash and load      frozen: the snapshot's form
//! ```

mod bounds;
pub mod commands;
mod diff;
mod fingerprint;
mod frozen;
mod index;
mod placement;
mod queries;
mod rows;
mod shelf;
pub mod table;

use std::sync::Arc;

use imbl::OrdMap;
use muster_machine::{Machine, Table};
use muster_wire::{CodecError, GroupId, JobId, MemberNumber, Token};

pub use bounds::{
    KEY_BYTES_MAX, KEY_KEEP_MS_MIN, KEYED_KEPT, LABEL_BYTES_MAX, OPENING_BYTES_MAX, OPENINGS_BYTES_MAX,
    RETIRED_MAX, STATE_BYTES_MAX,
};
pub use commands::{
    ConfirmReplace, Joined, MemberJoin, MemberRemove, MemberState, PlanReplace, Planned, RegisterJob,
    Registered, RenewReplica, RetireJobs, Retiring, SetFeatureVersion, SummarizeJobs,
};
pub use diff::JobChange;
pub use fingerprint::Fingerprint;
pub use rows::{Birth, JobRow, JobSummary, MemberRow, MemberStatus, Plan, Retired};
use shelf::Shelf;

/// The replicated directory of one cluster. `Clone` is O(1).
#[derive(Clone, Default, Debug)]
pub struct Directory {
    jobs: OrdMap<JobId, Arc<JobRow>>,
    retired: Shelf,
    members: OrdMap<MemberNumber, Arc<MemberRow>>,
    last_member: MemberNumber,
    feature: u16,
    // All below is derived from the above.
    keys: OrdMap<Fingerprint, JobId>,
    groups: OrdMap<GroupId, JobId>,
    names: OrdMap<String, MemberNumber>,
    held: OrdMap<MemberNumber, u32>,
    job_bytes: u64,
    opening_bytes: u64,
}

impl Machine for Directory {
    const TIER: &'static str = "directory";

    fn table() -> &'static Table<Self> {
        &table::COMMANDS
    }

    fn token(&self) -> Token {
        Token(0)
    }

    fn next_due_ms(&self) -> Option<u64> {
        None
    }

    fn retired(&self) -> Option<muster_machine::Retired> {
        None
    }

    fn encode(&self) -> Result<Vec<u8>, CodecError> {
        frozen::encode(self)
    }

    fn restore(bytes: &[u8]) -> Result<Self, CodecError> {
        frozen::restore(bytes)
    }
}

#[cfg(test)]
mod property_test;
#[cfg(test)]
pub(crate) mod testing;
