//! How a node is named in messages and in replicated state.

use serde::{Deserialize, Serialize};

use crate::ids::{Generation, MemberNumber, NodeId};

/// What a process is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Talks to clients, routes jobs to datacenters.
    Gate,
    /// Runs jobs in one datacenter.
    Manager,
    /// Runs shards as processes.
    Worker,
}

impl Role {
    /// The word used in logs, metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Manager => "manager",
            Self::Worker => "worker",
        }
    }
}

/// A node as a command or a message names it. Two are the same node when id *and* generation are equal; address,
/// name and number are hints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeRef {
    /// The node's own id.
    pub id: NodeId,
    /// The process start that is meant.
    pub generation: Generation,
    /// Its number in its cluster; 0 for workers.
    #[serde(default)]
    pub member: MemberNumber,
    /// Its configured name.
    #[serde(default)]
    pub name: String,
    /// `host:port` of its rpc listener.
    #[serde(default)]
    pub addr: String,
}

impl PartialEq for NodeRef {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.generation) == (other.id, other.generation)
    }
}

impl Eq for NodeRef {}
