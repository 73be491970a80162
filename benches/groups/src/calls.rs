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
}

/// Who leads a job's group; its member number, 0 when nobody is known.
#[derive(Serialize, Deserialize)]
pub struct AskLeader {
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
}
