//! Calls between the hosts of replicated groups: Raft's own, and those of the coordinator. Every type here is muster's;
//! what the Raft library would serialise is never sent.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Ack, calls};
use crate::ids::{Generation, GroupId, JobId, MemberNumber, NodeId, RaftId};

calls! {
    20 => RaftAppend -> RaftAppended,
    21 => RaftVote -> RaftVoted,
    22 => RaftPreVote -> RaftVoted,
    23 => RaftSnapshot -> RaftSnapshotTaken,
    24 => RaftTransfer -> Ack,
    30 => ProposeEntry -> Proposed,
    31 => AskReadIndex -> ReadIndexAt,
    32 => FetchState -> GroupState,
    33 => LeaderGone -> LeaderGoneReply,
    34 => AskClock -> ClockAt,
}

/// What does your wall clock say?
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AskClock {}

/// This moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClockAt {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

/// Which replica of which group is meant, and enough for its host to make it when its directory is behind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroupFrame {
    /// The group; 0 is the directory.
    pub group: GroupId,
    /// The group's job; 0 for the directory.
    pub job: JobId,
    /// The replica that is meant: another incarnation refuses.
    pub target: RaftId,
    /// The replica that sends.
    pub sender: RaftId,
    /// Log index of the directory's last change of the group's set, as the sender knows it.
    #[serde(default)]
    pub set_index: u64,
    /// How the group began; `None` for the directory.
    #[serde(default)]
    pub birth: Option<BirthSet>,
}

/// The replicas that a group was born with; never changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BirthSet {
    /// The leader of term 1.
    pub proposer: MemberNumber,
    /// All voters, the proposer included; each with incarnation 0.
    pub replicas: Vec<MemberNumber>,
    /// The group begins with an entry that the directory holds: only a node that has it from there may seed a replica.
    #[serde(default)]
    pub has_opening: bool,
}

/// A log entry's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogIdAt {
    /// The term in which it was proposed.
    pub term: u64,
    /// The Raft id of the leader that proposed it.
    pub origin: u64,
    /// Its position.
    pub index: u64,
}

/// A vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VoteFor {
    /// The term.
    pub term: u64,
    /// The Raft id voted for.
    pub node: u64,
    /// A quorum granted it.
    pub committed: bool,
}

/// A log entry: a kind byte and its content, as in the write-ahead log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its name.
    pub id: LogIdAt,
    /// Kind and content.
    pub payload: Bytes,
}

/// Appends entries, or none as a heartbeat.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RaftAppend {
    /// Where.
    pub frame: GroupFrame,
    /// The leader's vote.
    pub vote: VoteFor,
    /// The entry before the first one.
    pub prev: Option<LogIdAt>,
    /// In order.
    pub entries: Vec<LogEntry>,
    /// The leader's commit position.
    pub committed: Option<LogIdAt>,
}

/// The follower's answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RaftAppended {
    /// All are durable.
    Success,
    /// Durable up to here.
    Partial(Option<LogIdAt>),
    /// The entry before the first one is not in its log.
    Conflict,
    /// It has seen a higher vote.
    HigherVote(VoteFor),
}

/// Asks for a vote.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RaftVote {
    /// Where.
    pub frame: GroupFrame,
    /// The candidate's vote.
    pub vote: VoteFor,
    /// The candidate's last entry.
    pub last: Option<LogIdAt>,
    /// Its leader has handed over: leases do not count.
    pub transfer: bool,
}

/// Asks whether a vote would be granted; changes nothing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RaftPreVote {
    /// The question.
    pub ask: RaftVote,
}

/// The answer to both.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RaftVoted {
    /// The voter's vote afterwards.
    pub vote: VoteFor,
    /// Granted.
    pub granted: bool,
    /// The voter's last entry.
    pub last: Option<LogIdAt>,
}

/// One piece of a snapshot; pieces come in order and the last one installs it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RaftSnapshot {
    /// Where.
    pub frame: GroupFrame,
    /// The leader's vote.
    pub vote: VoteFor,
    /// The last entry that the snapshot covers.
    pub last: Option<LogIdAt>,
    /// The membership at that point, as in the write-ahead log.
    pub membership: StoredMembers,
    /// Length of the whole state, bytes.
    pub total: u64,
    /// Where this piece begins.
    pub offset: u64,
    /// The piece.
    pub bytes: Bytes,
}

/// The answer to a piece.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RaftSnapshotTaken {
    /// The follower's vote.
    pub vote: VoteFor,
    /// How much of the state the follower holds, bytes: the next piece begins there. A leader that tries again need not send
    /// what came before.
    #[serde(default)]
    pub have: Option<u64>,
}

/// Who is in a group.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Members {
    /// One set of voters, or two in a joint change.
    pub voters: Vec<Vec<u64>>,
    /// Everyone, voters and learners.
    pub nodes: Vec<u64>,
}

/// A membership and the entry that stated it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StoredMembers {
    /// The entry.
    pub at: Option<LogIdAt>,
    /// Who.
    pub members: Members,
}

/// The leader hands its leadership over.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RaftTransfer {
    /// Where.
    pub frame: GroupFrame,
    /// The leader's vote.
    pub from: VoteFor,
    /// The successor.
    pub to: RaftId,
    /// The leader's last entry, which the successor must have.
    pub last: Option<LogIdAt>,
}

/// Proposes an entry at the leader.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ProposeEntry {
    /// The job; 0 for the directory.
    pub job: JobId,
    /// The entry, encoded.
    pub entry: Bytes,
    /// How long the caller waits, ms.
    pub within_ms: u64,
    /// Already forwarded once.
    #[serde(default)]
    pub forwarded: bool,
}

/// Committed and applied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Proposed {
    /// The entry's log index.
    pub index: u64,
    /// The outcomes, encoded.
    pub reply: Bytes,
}

/// Asks the leader from where on a local read is up to date.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AskReadIndex {
    /// The job; 0 for the directory.
    pub job: JobId,
    /// How long the caller waits, ms.
    pub within_ms: u64,
}

/// The leader's answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadIndexAt {
    /// A replica that has applied this is up to date.
    pub index: u64,
}

/// Asks a replica for a job's whole state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FetchState {
    /// The job.
    pub job: JobId,
    /// Sees everything acknowledged before.
    pub linearizable: bool,
    /// How long the caller waits, ms.
    pub within_ms: u64,
}

/// A job's whole state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroupState {
    /// Log index of the last applied entry.
    pub applied: u64,
    /// Replicated time, ms since 1970.
    pub at_ms: u64,
    /// Time since the replica heard from its leader, ms.
    pub age_ms: u64,
    /// The machine, encoded.
    pub state: Bytes,
}

/// Says that a process is gone. The receiver looks for itself before it acts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeaderGone {
    /// Which member.
    pub member: MemberNumber,
    /// Its node id.
    pub node: NodeId,
    /// The process start that is gone.
    pub generation: Generation,
}

/// What the receiver found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LeaderGoneReply {
    /// It is gone from here too.
    Gone,
    /// It answers me: nothing is done.
    Alive,
}
