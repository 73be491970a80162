//! Remote calls: one struct per call, each with its number, its name and its reply.
//!
//! | numbers | served by | module |
//! |---|---|---|
//! | 1–19 | every gate and manager: founding and membership | [`cluster`] |
//! | 20–49 | every gate and manager: Raft and the coordinator | [`raft`] |
//! | 50–79 | managers, for gates and clients | [`manager`] |
//! | 80–99 | gates, for managers | [`gate`] |
//! | 100–129 | workers, for managers | [`worker`] |
//! | 130–159 | managers, for workers | [`worker`] |
//!
//! Numbers are never reused.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ids::Token;
use crate::job::JobStatus;
use crate::node::NodeRef;

pub mod cluster;
pub mod gate;
pub mod manager;
pub mod raft;
pub mod worker;

/// One remote call.
pub trait Call: Serialize + DeserializeOwned + Send + 'static {
    /// Its number on the wire.
    const METHOD: u32;
    /// Its name in logs and metrics.
    const NAME: &'static str;
    /// What a success answers.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}

/// Declares calls: `50 => SubmitJob -> SubmitReply,`.
macro_rules! calls {
    ($($method:literal => $call:ident -> $reply:ty,)+) => {
        $(
            impl $crate::rpc::Call for $call {
                const METHOD: u32 = $method;
                const NAME: &'static str = stringify!($call);
                type Reply = $reply;
            }
        )+

        /// Number and name of each call of this module.
        pub const METHODS: &[(u32, &str)] = &[$(($method, stringify!($call)),)+];
    };
}
pub(crate) use calls;

/// The answer of a call that only acknowledges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ack {}

/// Why a call was refused. Variants say what the caller can do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum RpcError {
    /// Ask the named node instead; without one, an election is under way: ask again.
    #[error("not the leader{}", leader.as_ref().map(|l| format!(", {} is", l.name)).unwrap_or_default())]
    NotLeader {
        /// Who leads, where known.
        leader: Option<Box<NodeRef>>,
    },
    /// Full; nothing was changed. Ask again later.
    #[error("busy, retry after {retry_after_ms} ms")]
    Busy {
        /// When to ask again.
        retry_after_ms: u64,
    },
    /// The caller's token is older than the one known here: stop acting for this job.
    #[error("fenced by token {by}")]
    Fenced {
        /// The token known here.
        by: Token,
    },
    /// No such job here.
    #[error("unknown job")]
    UnknownJob,
    /// The job is over and was purged.
    #[error("the job is gone, it ended {status}")]
    Gone {
        /// How it ended.
        status: JobStatus,
    },
    /// The outcome is not known: ask again with the same request id.
    #[error("outcome unknown: {why}")]
    Unknown {
        /// What happened.
        why: String,
    },
    /// An explicit no: asking again here is useless.
    #[error("refused: {why}")]
    Refused {
        /// The reason, for people.
        why: String,
    },
    /// This replica cannot serve the group: evidence for that group alone.
    #[error("this node cannot serve the group")]
    NotServing,
    /// The call's number is not served here.
    #[error("method {0} is not served here")]
    NoMethod(u32),
    /// Undecodable.
    #[error("malformed request: {0}")]
    Malformed(String),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn no_method_number_is_used_twice() {
        let tables = [
            super::cluster::METHODS,
            super::raft::METHODS,
            super::manager::METHODS,
            super::gate::METHODS,
            super::worker::METHODS,
        ];
        let all: Vec<u32> = tables.iter().flat_map(|table| table.iter().map(|(number, _)| *number)).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
