//! What a group shows to the outside.

use std::sync::Arc;
use std::time::Duration;

use muster_machine::Machine;
use muster_wire::{GroupId, JobId, MemberNumber, Token};
use serde::Serialize;

/// A moment of a group's state.
#[derive(Clone, Debug)]
pub struct View<M> {
    /// The state, shared by all who look at this moment.
    pub state: Arc<M>,
    /// Log index of the last applied entry.
    pub applied: u64,
    /// The Raft term of that entry; 0 if nothing is applied, or if another node's replica told its state.
    pub term: u64,
    /// Replicated time, ms since 1970.
    pub at_ms: u64,
    /// Stale reads: time since this replica last heard from its leader.
    pub age: Duration,
}

impl<M: Machine> View<M> {
    /// The state before a job's first entry.
    pub fn unborn(job: JobId) -> Self {
        let mut state = M::default();
        state.born(GroupId(0), job);
        Self { state: Arc::new(state), applied: 0, term: 0, at_ms: 0, age: Duration::ZERO }
    }

    /// The token that fenced commands must carry.
    pub fn token(&self) -> Token {
        self.state.token()
    }
}

/// How fresh a read must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consistency {
    /// Sees every entry that was acknowledged before the read began.
    Linearizable,
    /// What is at hand.
    Stale,
}

/// One group as this node sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GroupStatus {
    /// The job; `None` for the directory.
    pub job: Option<JobId>,
    /// The group's id.
    pub group: GroupId,
    /// Counts the changes of the replica set, as the directory knows it.
    pub set_index: u64,
    /// `loading`, `awake`, `closing` or `failed`.
    pub state: &'static str,
    /// `leader`, `follower`, `candidate` or `learner`.
    pub role: &'static str,
    /// Who leads, as far as known here.
    pub leader: Option<MemberNumber>,
    /// The newest term seen here.
    pub term: u64,
    /// The job's token.
    pub token: Token,
    /// Index of the last entry in this replica's log.
    pub last_log: Option<u64>,
    /// Index of the last entry known as committed.
    pub committed: Option<u64>,
    /// Index of the last applied entry.
    pub applied: Option<u64>,
    /// Index of the last entry in the snapshot.
    pub snapshot: Option<u64>,
    /// Index of the last purged entry.
    pub purged: Option<u64>,
    /// Every voter and learner.
    pub replicas: Vec<ReplicaStatus>,
}

/// One replica of a group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ReplicaStatus {
    /// The member that holds it.
    pub node: MemberNumber,
    /// The last entry that it has; known at the leader only.
    pub matched: Option<u64>,
    /// `voter` or `learner`.
    pub state: &'static str,
}

/// How many groups this node holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct GroupCounts {
    /// All.
    pub total: usize,
    /// Running.
    pub awake: usize,
    /// Idle, without heartbeats.
    pub asleep: usize,
    /// On disk only.
    pub evicted: usize,
    /// Led by this node's replica.
    pub leading: usize,
}
