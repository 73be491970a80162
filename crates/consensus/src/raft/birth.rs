//! Born with a leader: the directory's committed entry is the group's first election. Each birth replica's empty log is
//! given the vote that this election came to and the membership as its first entry, once and before it is ever opened. If
//! whoever registered the job gave an opening, that is the second entry of each.

use bytes::Bytes;
use muster_runtime::is_sabotaged;
use muster_wal::{GroupKey, Wal, WalError};
use muster_wire::rpc::raft::{BirthSet, Members};
use muster_wire::{Incarnation, RaftId};

use super::convert::{self, ConvertError};
use super::store::{until_durable, waiter};
use super::types::{Command, Payload};

/// The term that the directory's entry elects in.
const BIRTH_TERM: u64 = 1;
/// Where a group's opening stands.
pub(crate) const OPENING_INDEX: u64 = 1;

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
    /// Seeded now; another replica leads.
    Follower,
    /// It was there before, or was not this replica's to seed.
    Before,
}

/// Seeds the log of `me` unless anything was ever recorded for it.
pub(crate) async fn seed(
    wal: &Wal,
    key: GroupKey,
    me: RaftId,
    birth: (&BirthSet, Option<Bytes>),
) -> Result<Seeded, SeedError> {
    let is_mine = me.incarnation() == Incarnation(0) && birth.0.replicas.contains(&me.member());
    match is_mine && is_vacant(wal, key) {
        true => seed_empty(wal, key, me, birth).await,
        false => Ok(Seeded::Before),
    }
}

fn is_vacant(wal: &Wal, key: GroupKey) -> bool {
    !wal.is_known(key) || is_sabotaged("birth-once")
}

async fn seed_empty(
    wal: &Wal,
    key: GroupKey,
    me: RaftId,
    (birth, opening): (&BirthSet, Option<Bytes>),
) -> Result<Seeded, SeedError> {
    let leader = RaftId::new(birth.proposer, Incarnation(0));
    let vote = muster_wal::Vote { term: BIRTH_TERM, node: leader.0, committed: true };
    let (done, durable) = waiter();
    match wal.seed(key, vote, first_entries(leader, birth, opening)?, done) {
        Err(WalError::NotEmpty) => return Ok(Seeded::Before),
        other => other?,
    }
    // Raft takes what is there at its start for durable, and a follower says so to its leader.
    until_durable(durable).await?;
    Ok(if leader == me { Seeded::Leader } else { Seeded::Follower })
}

fn first_entries(
    leader: RaftId,
    birth: &BirthSet,
    opening: Option<Bytes>,
) -> Result<Vec<muster_wal::Entry>, ConvertError> {
    let opening = opening.map(|entry| Payload::Normal(Command::new(&entry)));
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
