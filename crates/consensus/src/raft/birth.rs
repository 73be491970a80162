//! Born with a leader: the directory's committed entry is the group's first election. Each birth replica's empty log is
//! given the vote that this election came to and the membership as its first entry, once and before it is ever opened. The
//! leader's has a second entry if whoever registered the job gave one: its first round of replication is that of this entry.

use std::sync::Arc;

use bytes::Bytes;
use dashmap::DashMap;
use muster_runtime::is_sabotaged;
use muster_wal::{GroupKey, Wal, WalError};
use muster_wire::rpc::raft::{BirthSet, Members};
use muster_wire::{Incarnation, JobId, RaftId};

use super::convert::{self, ConvertError};
use super::store::{until_durable, waiter};
use super::types::{Command, Payload};

/// The term that the directory's entry elects in.
const BIRTH_TERM: u64 = 1;
/// Where the entry stands that a job was registered with.
pub(crate) const OPENING_INDEX: u64 = 1;

/// Entries of jobs that are being registered here, for their groups to begin with. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct OpeningEntries(Arc<DashMap<JobId, Bytes>>);

/// Keeps an entry as long as its job's registration is under way.
pub(crate) struct KeptEntry(OpeningEntries, JobId);

impl OpeningEntries {
    pub(crate) fn keep(&self, job: JobId, entry: Bytes) -> KeptEntry {
        self.0.insert(job, entry);
        KeptEntry(self.clone(), job)
    }

    pub(crate) fn get(&self, job: JobId) -> Option<Bytes> {
        self.0.get(&job).map(|entry| entry.clone())
    }
}

impl Drop for KeptEntry {
    fn drop(&mut self) {
        self.0.0.remove(&self.1);
    }
}

/// Why a group's log could not be seeded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedError {
    #[error(transparent)]
    Wal(#[from] WalError),
    #[error(transparent)]
    Convert(#[from] ConvertError),
    #[error("the seed did not become durable: {0}")]
    Lost(#[from] std::io::Error),
}

/// What seeding came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seeded {
    /// This replica leads from its birth; its seed is durable.
    Leader,
    /// Seeded, or not this replica's to seed.
    Follower,
}

/// Seeds the log of `me` unless anything was ever recorded for it. A leader's log goes on with `opening`.
pub(crate) async fn seed(
    wal: &Wal,
    key: GroupKey,
    me: RaftId,
    (birth, opening): (&BirthSet, Option<Bytes>),
) -> Result<Seeded, SeedError> {
    let is_mine = me.incarnation() == Incarnation(0) && birth.replicas.contains(&me.member());
    match is_mine && is_vacant(wal, key) {
        true => seed_empty(wal, key, me, (birth, opening)).await,
        false => Ok(Seeded::Follower),
    }
}

fn is_vacant(wal: &Wal, key: GroupKey) -> bool {
    !wal.is_known(key) || is_sabotaged("birth-once")
}

/// Only the leader's seed must be durable before it starts: a follower that loses its own has acknowledged nothing.
async fn seed_empty(
    wal: &Wal,
    key: GroupKey,
    me: RaftId,
    (birth, opening): (&BirthSet, Option<Bytes>),
) -> Result<Seeded, SeedError> {
    let leader = RaftId::new(birth.proposer, Incarnation(0));
    let vote = muster_wal::Vote { term: BIRTH_TERM, node: leader.0, committed: true };
    let (done, durable) = waiter();
    let opening = opening.filter(|_| leader == me);
    match wal.seed(key, vote, first_entries(leader, birth, opening)?, done) {
        Ok(()) if leader == me => {
            until_durable(durable).await.map(|()| Seeded::Leader).map_err(SeedError::from)
        }
        Ok(()) | Err(WalError::NotEmpty) => Ok(Seeded::Follower),
        Err(error) => Err(error.into()),
    }
}

fn first_entries(
    leader: RaftId,
    birth: &BirthSet,
    opening: Option<Bytes>,
) -> Result<Vec<muster_wal::Entry>, ConvertError> {
    let opening = opening.map(|entry| Payload::Normal(Command(entry)));
    let payloads = std::iter::once(members_of(birth)).chain(opening);
    (0..).zip(payloads).map(|(index, payload)| entry_of(leader, index, &payload)).collect()
}

fn members_of(birth: &BirthSet) -> Payload {
    let nodes: Vec<u64> =
        birth.replicas.iter().map(|member| RaftId::new(*member, Incarnation(0)).0).collect();
    Payload::Membership(convert::membership(&Members { voters: vec![nodes.clone()], nodes }))
}

fn entry_of(leader: RaftId, index: u64, payload: &Payload) -> Result<muster_wal::Entry, ConvertError> {
    let id = muster_wal::LogId { term: BIRTH_TERM, origin: leader.0, index };
    Ok(muster_wal::Entry { id, payload: convert::payload_bytes(payload)? })
}
