//! Born with a leader: the directory's committed entry is the group's first election. Each birth replica's empty log is
//! given the vote that this election came to and the membership as its first entry, once and before it is ever opened.

use muster_runtime::is_sabotaged;
use muster_wal::{GroupKey, Wal, WalError};
use muster_wire::rpc::raft::{BirthSet, Members};
use muster_wire::{Incarnation, RaftId};

use super::convert::{self, ConvertError};
use super::store::{until_durable, waiter};
use super::types::Payload;

/// The term that the directory's entry elects in.
const BIRTH_TERM: u64 = 1;

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

/// Seeds the log of `me` unless anything was ever recorded for it.
pub(crate) async fn seed(
    wal: &Wal,
    key: GroupKey,
    me: RaftId,
    birth: &BirthSet,
) -> Result<Seeded, SeedError> {
    let is_mine = me.incarnation() == Incarnation(0) && birth.replicas.contains(&me.member());
    match is_mine && is_vacant(wal, key) {
        true => seed_empty(wal, key, me, birth).await,
        false => Ok(Seeded::Follower),
    }
}

fn is_vacant(wal: &Wal, key: GroupKey) -> bool {
    !wal.is_known(key) || is_sabotaged("birth-once")
}

/// Only the leader's seed must be durable before it starts: a follower that loses its own has acknowledged nothing.
async fn seed_empty(wal: &Wal, key: GroupKey, me: RaftId, birth: &BirthSet) -> Result<Seeded, SeedError> {
    let leader = RaftId::new(birth.proposer, Incarnation(0));
    let vote = muster_wal::Vote { term: BIRTH_TERM, node: leader.0, committed: true };
    let (done, durable) = waiter();
    match wal.seed(key, vote, vec![first_entry(leader, birth)?], done) {
        Ok(()) if leader == me => {
            until_durable(durable).await.map(|()| Seeded::Leader).map_err(SeedError::from)
        }
        Ok(()) | Err(WalError::NotEmpty) => Ok(Seeded::Follower),
        Err(error) => Err(error.into()),
    }
}

fn first_entry(leader: RaftId, birth: &BirthSet) -> Result<muster_wal::Entry, ConvertError> {
    let nodes: Vec<u64> =
        birth.replicas.iter().map(|member| RaftId::new(*member, Incarnation(0)).0).collect();
    let members = convert::membership(&Members { voters: vec![nodes.clone()], nodes });
    let payload = convert::payload_bytes(&Payload::Membership(members))?;
    Ok(muster_wal::Entry { id: muster_wal::LogId { term: BIRTH_TERM, origin: leader.0, index: 0 }, payload })
}
