//! The calls by which the load reaches a benched node.

use bytes::Bytes;
use muster_wire::JobId;
use muster_wire::rpc::{Ack, Call};
use serde::{Deserialize, Serialize};

/// Registers a job with this node as the first leader of its group; answered when the group runs.
#[derive(Serialize, Deserialize)]
pub struct Create {
    /// Which job.
    pub job: JobId,
}

/// Puts a value; answered when it is committed and applied.
#[derive(Serialize, Deserialize)]
pub struct PutAt {
    /// Which job's group.
    pub job: JobId,
    /// Which key.
    pub key: u64,
    /// Its value.
    pub value: Bytes,
    /// How long the answer may take, ms.
    pub within_ms: u64,
}

/// Asks for what a node holds.
#[derive(Serialize, Deserialize)]
pub struct AskNode {}

/// What a node holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeState {
    /// Groups by state: all, awake, asleep, evicted, led here.
    pub groups: [usize; 5],
    /// Jobs that the directory knows, as applied here.
    pub jobs: usize,
    /// Active members of the cluster, as applied here.
    pub active: usize,
    /// Does somebody lead the directory?
    pub is_led: bool,
    /// This node's member number.
    pub me: u32,
    /// Replicas that it holds.
    pub replicas: usize,
}

impl NodeState {
    /// Does the node see so many active members, and a leader?
    pub fn serves(&self, members: usize) -> bool {
        self.active >= members && self.is_led
    }
}

/// Who leads a job's group; its member number, 0 when nobody is known.
#[derive(Serialize, Deserialize)]
pub struct AskLeader {
    /// Which job.
    pub job: JobId,
}

/// Reads the value of a key, linearizably.
#[derive(Serialize, Deserialize)]
pub struct GetAt {
    /// Which job's group.
    pub job: JobId,
    /// Which key.
    pub key: u64,
    /// How long the answer may take, ms.
    pub within_ms: u64,
}

/// Gives the leadership of a job's group to a member.
#[derive(Serialize, Deserialize)]
pub struct Transfer {
    /// Which job.
    pub job: JobId,
    /// The member's number.
    pub to: u32,
}

/// Lets the node that is asked be replaced in its groups.
#[derive(Serialize, Deserialize)]
pub struct Drain {}

/// Removes a member.
#[derive(Serialize, Deserialize)]
pub struct Remove {
    /// Its number.
    pub member: u32,
}

/// The members that hold a replica of a job, and who votes in the directory.
#[derive(Serialize, Deserialize)]
pub struct AskReplicas {
    /// Which job.
    pub job: JobId,
}

macro_rules! calls {
    ($($method:literal => $call:ident -> $reply:ty,)+) => {
        $(impl Call for $call {
            const METHOD: u32 = $method;
            const NAME: &'static str = stringify!($call);
            type Reply = $reply;
        })+
    };
}

calls! {
    900 => Create -> Ack,
    901 => PutAt -> Ack,
    902 => AskNode -> NodeState,
    903 => AskLeader -> u32,
    904 => GetAt -> Option<Bytes>,
    905 => Transfer -> Ack,
    906 => Drain -> Ack,
    907 => Remove -> Ack,
    908 => AskReplicas -> Vec<u32>,
}
