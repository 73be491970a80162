//! What is asked and done when a replica is opened.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use muster_machine::Machine;
use muster_wal::{GroupError, GroupKey, LogReader};
use muster_wire::rpc::raft::BirthSet;
use muster_wire::{GroupId, JobId, MemberNumber, RaftId};
use openraft::async_runtime::WatchReceiver as _;
use openraft::{Config, Raft};

use super::birth::{self, SeedError, Seeded};
use super::group::Ground;
use super::machine::StateMachine;
use super::snapshot::{Covered, LoadError, SnapshotFiles};
use super::types::{Snapshot, Types};

/// Which replica to open.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) group: GroupId,
    pub(crate) job: JobId,
    pub(crate) me: RaftId,
    pub(crate) set_index: u64,
    /// How it began; `None` for the directory.
    pub(crate) birth: Option<BirthSet>,
}

impl Opening {
    /// Who leads from birth.
    pub(crate) fn proposer(&self) -> Option<MemberNumber> {
        self.birth.as_ref().map(|birth| birth.proposer)
    }
}

/// Why a replica could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenGroupError {
    #[error("its birth: {0}")]
    Seed(#[from] SeedError),
    #[error("its log: {0}")]
    Log(#[from] GroupError),
    #[error("its snapshot: {0}")]
    Snapshot(#[from] LoadError),
    #[error("its state: {0}")]
    State(#[from] io::Error),
    #[error("its Raft instance: {0}")]
    Raft(String),
}

/// Before Raft's first report nobody is a member and nobody leads: whoever campaigned then did not.
pub(super) async fn until_reported<M: Machine>(raft: &Raft<Types, StateMachine<M>>) {
    if raft.metrics().changed().await.is_err() {
        tracing::debug!("a Raft instance ended before it said anything");
    }
}

pub(super) async fn seed(
    ground: &Ground,
    key: GroupKey,
    (opening, first): (&Opening, Option<Bytes>),
) -> Result<Seeded, SeedError> {
    let Some(birth) = &opening.birth else { return Ok(Seeded::Before) };
    birth::seed(&ground.wal, key, opening.me, (birth, first)).await
}

pub(super) fn config_of(ground: &Ground, opening: &Opening, seeded: Seeded) -> Arc<Config> {
    let settings = &ground.settings;
    let config = match (&opening.birth, seeded) {
        (None, _) => &settings.directory,
        (Some(_), Seeded::Leader) => &settings.born,
        (Some(_), Seeded::Follower | Seeded::Before) => &settings.reloaded,
    };
    config.clone()
}

/// A job's replica that has lost its snapshot is over; without its directory a node is of no use, and says so itself.
pub(super) async fn found_snapshot(
    ground: &Ground,
    key: GroupKey,
    (files, log): (&SnapshotFiles, &LogReader),
) -> Result<Option<Snapshot>, OpenGroupError> {
    let noted = log.snapshot().map(|noted| noted.id.index);
    let covered = Covered { noted, purged: log.purged().map(|purged| purged.index) };
    let found = files.load_covering(covered).await;
    if let (Err(LoadError::Lost(what)), true) = (&found, key.group != 0)
        && let Err(error) = ground.wal.condemn(key, what)
    {
        tracing::warn!(%error, "a replica without its snapshot was not noted as damaged");
    }
    Ok(found?)
}
