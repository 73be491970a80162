//! The handshake: who is at each end of a link. A mismatch is refused loudly.

use serde::{Deserialize, Serialize};

use crate::ids::{ClusterId, Generation, MemberNumber, NodeId};
use crate::node::Role;

/// The remote calls' version. One version of skew is spoken.
pub const PROTOCOL: u16 = 1;

/// First frame of the dialling side; the answer is a [`Welcome`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the remote calls.
    pub protocol: u16,
    /// The configured name of the installation (`node.cluster`): must be equal on both sides.
    pub cluster_name: String,
    /// The dialler's cluster, once it has one. Same role and datacenter: must be equal when both have one.
    pub cluster: Option<ClusterId>,
    /// The dialler.
    pub node: NodeId,
    /// Its number in its cluster; 0 while it has none, and for workers and clients.
    pub member: MemberNumber,
    /// Its process start.
    pub generation: Generation,
    /// What it is.
    pub role: Role,
    /// Its datacenter.
    pub datacenter: String,
    /// Its configured name.
    pub name: String,
    /// `host:port` of its own rpc listener.
    pub rpc: String,
    /// Highest feature version that it understands.
    pub feature: u16,
}

/// The answer to [`Hello`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Welcome {
    /// Accepted; this is who answers.
    Accepted(Box<Hello>),
    /// Refused; the link is closed after this.
    Refused(HelloRefusal),
}

/// Why a handshake was refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum HelloRefusal {
    /// Another installation.
    #[error("cluster name is `{here}` here, not `{theirs}`: check `node.cluster`")]
    ClusterName {
        /// Ours.
        here: String,
        /// The caller's.
        theirs: String,
    },
    /// Same tier and datacenter, but founded separately.
    #[error("this node belongs to cluster {here}, the caller to {theirs}: two clusters were founded")]
    Cluster {
        /// Ours.
        here: ClusterId,
        /// The caller's.
        theirs: ClusterId,
    },
    /// A member number that belongs to another node id: a wiped or copied data directory.
    #[error(
        "member number {member} belongs to node {owner}; remove it with `muster node remove {name}` and start with an empty directory"
    )]
    MemberTaken {
        /// The number.
        member: MemberNumber,
        /// Who owns it.
        owner: NodeId,
        /// The owner's name.
        name: String,
    },
    /// A generation not above the highest seen: an older copy of the process or of its data.
    #[error("generation {theirs} of this node is not the newest seen ({seen})")]
    Generation {
        /// The caller's.
        theirs: Generation,
        /// Highest seen.
        seen: Generation,
    },
    /// A protocol that is not spoken here.
    #[error("protocol {theirs} is not spoken here (this is {here})")]
    Protocol {
        /// Ours.
        here: u16,
        /// The caller's.
        theirs: u16,
    },
    /// Not the node that was dialled.
    #[error("the node at this address is {here}, not the one asked for")]
    NotMe {
        /// Who is here.
        here: NodeId,
    },
}
