//! Between openraft's types and muster's own wire and log forms. openraft's serialisation is never used.

use std::collections::BTreeSet;
use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use muster_wire::rpc::raft::{LogEntry, LogIdAt, Members, RaftAppended, RaftVoted, StoredMembers, VoteFor};
use openraft::entry::RaftEntry as _;
use openraft::raft::{AppendEntriesResponse, VoteResponse};
use openraft::vote::RaftLeaderId as _;
use openraft::vote::RaftVote as _;

use super::types::{Command, Entry, LeaderId, LogId, Membership, Payload, StoredMembership, Types, Vote};

/// The kind byte of an entry without content: a new leader's first.
const BLANK: u8 = 0;
/// The kind byte of a machine's entry.
pub(super) const NORMAL: u8 = 1;
/// The kind byte of a membership.
const MEMBERSHIP: u8 = 2;

/// Bytes from outside that are not what they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConvertError {
    #[error("a log entry without a kind")]
    Empty,
    #[error("a log entry of the unknown kind {0}")]
    Kind(u8),
    #[error("a membership: {0}")]
    Codec(#[from] muster_wire::CodecError),
}

impl From<ConvertError> for io::Error {
    fn from(error: ConvertError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

pub(crate) fn wire_log_id(id: &LogId) -> LogIdAt {
    LogIdAt { term: id.leader_id.term, origin: id.leader_id.node_id, index: id.index }
}

pub(crate) fn log_id(id: &LogIdAt) -> LogId {
    LogId { leader_id: LeaderId::new(id.term, id.origin), index: id.index }
}

pub(crate) fn wal_log_id(id: &LogId) -> muster_wal::LogId {
    muster_wal::LogId { term: id.leader_id.term, origin: id.leader_id.node_id, index: id.index }
}

pub(crate) fn from_wal_log_id(id: muster_wal::LogId) -> LogId {
    LogId { leader_id: LeaderId::new(id.term, id.origin), index: id.index }
}

pub(crate) fn wire_vote(vote: &Vote) -> VoteFor {
    VoteFor { term: vote.leader_id().term, node: vote.leader_id().node_id, committed: vote.is_committed() }
}

pub(crate) fn vote(vote: &VoteFor) -> Vote {
    Vote::from_leader_id(LeaderId::new(vote.term, vote.node), vote.committed)
}

pub(crate) fn wal_vote(vote: &Vote) -> muster_wal::Vote {
    let leader = vote.leader_id();
    muster_wal::Vote { term: leader.term, node: leader.node_id, committed: vote.is_committed() }
}

pub(crate) fn from_wal_vote(vote: muster_wal::Vote) -> Vote {
    Vote::from_leader_id(LeaderId::new(vote.term, vote.node), vote.committed)
}

pub(crate) fn wire_members(membership: &Membership) -> Members {
    let voters = membership.get_joint_config().iter().map(|set| set.iter().copied().collect()).collect();
    Members { voters, nodes: membership.nodes().map(|(id, ())| *id).collect() }
}

pub(crate) fn membership(members: &Members) -> Membership {
    let voters: Vec<BTreeSet<u64>> = members.voters.iter().map(|set| set.iter().copied().collect()).collect();
    let nodes: BTreeSet<u64> = members.nodes.iter().copied().collect();
    Membership::new_with_defaults(voters, nodes)
}

pub(crate) fn wire_stored(stored: &StoredMembership) -> StoredMembers {
    StoredMembers {
        at: stored.log_id().as_ref().map(wire_log_id),
        members: wire_members(stored.membership()),
    }
}

pub(crate) fn stored(stored: &StoredMembers) -> StoredMembership {
    StoredMembership::new(stored.at.as_ref().map(log_id), membership(&stored.members))
}

/// An entry's kind byte and content.
pub(crate) fn payload_bytes(payload: &Payload) -> Result<Bytes, ConvertError> {
    match payload {
        Payload::Blank => Ok(Bytes::from_static(&[BLANK])),
        Payload::Normal(command) => Ok(command.0.clone()),
        Payload::Membership(membership) => membership_bytes(membership),
    }
}

fn membership_bytes(membership: &Membership) -> Result<Bytes, ConvertError> {
    Ok(with_kind(MEMBERSHIP, &muster_wire::encode(&wire_members(membership))?))
}

pub(super) fn with_kind(kind: u8, content: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(content.len() + 1);
    bytes.put_u8(kind);
    bytes.put_slice(content);
    bytes.freeze()
}

/// The payload of these bytes, which stand in it as they are if it is a machine's entry.
pub(crate) fn payload(bytes: &Bytes) -> Result<Payload, ConvertError> {
    match bytes.first() {
        Some(&BLANK) => Ok(Payload::Blank),
        Some(&NORMAL) => Ok(Payload::Normal(Command(bytes.clone()))),
        Some(&MEMBERSHIP) => Ok(Payload::Membership(membership(&muster_wire::decode(&bytes[1..])?))),
        Some(&kind) => Err(ConvertError::Kind(kind)),
        None => Err(ConvertError::Empty),
    }
}

pub(crate) fn wal_entry(entry: &Entry) -> Result<muster_wal::Entry, ConvertError> {
    Ok(muster_wal::Entry { id: wal_log_id(&entry.log_id), payload: payload_bytes(&entry.payload)? })
}

pub(crate) fn from_wal_entry(entry: &muster_wal::Entry) -> Result<Entry, ConvertError> {
    Ok(Entry::new(from_wal_log_id(entry.id), payload(&entry.payload)?))
}

pub(crate) fn wire_entry(entry: &Entry) -> Result<LogEntry, ConvertError> {
    Ok(LogEntry { id: wire_log_id(&entry.log_id), payload: payload_bytes(&entry.payload)? })
}

pub(crate) fn entry(entry: &LogEntry) -> Result<Entry, ConvertError> {
    Ok(Entry::new(log_id(&entry.id), payload(&entry.payload)?))
}

pub(crate) fn wire_appended(response: &AppendEntriesResponse<Types>) -> RaftAppended {
    match response {
        AppendEntriesResponse::Success => RaftAppended::Success,
        AppendEntriesResponse::PartialSuccess(upto) => RaftAppended::Partial(upto.as_ref().map(wire_log_id)),
        AppendEntriesResponse::Conflict => RaftAppended::Conflict,
        AppendEntriesResponse::HigherVote(higher) => RaftAppended::HigherVote(wire_vote(higher)),
    }
}

pub(crate) fn appended(response: &RaftAppended) -> AppendEntriesResponse<Types> {
    match response {
        RaftAppended::Success => AppendEntriesResponse::Success,
        RaftAppended::Partial(upto) => AppendEntriesResponse::PartialSuccess(upto.as_ref().map(log_id)),
        RaftAppended::Conflict => AppendEntriesResponse::Conflict,
        RaftAppended::HigherVote(higher) => AppendEntriesResponse::HigherVote(vote(higher)),
    }
}

pub(crate) fn wire_voted(response: &VoteResponse<Types>) -> RaftVoted {
    let last = response.last_log_id.as_ref().map(wire_log_id);
    RaftVoted { vote: wire_vote(&response.vote), granted: response.vote_granted, last }
}

pub(crate) fn voted(response: &RaftVoted) -> VoteResponse<Types> {
    VoteResponse::new(vote(&response.vote), response.last.as_ref().map(log_id), response.granted)
}
