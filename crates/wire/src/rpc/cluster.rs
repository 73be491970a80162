//! Calls about the founding of a tier's cluster and about joining it.

use serde::{Deserialize, Serialize};

use super::{Ack, calls};
use crate::ids::{ClusterId, Generation, JobId, MemberNumber, NodeId};

calls! {
    1 => AskFounding -> FoundingView,
    2 => JoinCluster -> JoinedCluster,
    10 => TransferGroup -> Ack,
    11 => SnapshotGroup -> Ack,
}

/// One entry of `cluster.initial_members`; its position, from 1, is its number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ListedMember {
    /// Configured name.
    pub name: String,
    /// `host:port` of its rpc listener.
    pub rpc: String,
    /// `host:port` of its SWIM socket.
    pub swim: String,
}

/// Which node has, or has promised to take, which number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FoundingMember {
    /// The number.
    pub number: MemberNumber,
    /// The configured name.
    pub name: String,
    /// The node.
    pub node: NodeId,
}

/// A node without a cluster asks how the founding stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AskFounding {
    /// Its configured name.
    pub name: String,
    /// Its node id.
    pub node: NodeId,
}

/// The answer to [`AskFounding`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FoundingView {
    /// Who answers.
    pub name: String,
    /// Its node id.
    pub node: NodeId,
    /// Its `initial_members`.
    pub list: Vec<ListedMember>,
    /// How far it is.
    pub state: FoundingState,
}

/// How far a node is in the founding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FoundingState {
    /// No cluster, nothing promised.
    Blank,
    /// It has durably promised to be part of the cluster of exactly these nodes.
    Promised {
        /// All initial members, by number.
        members: Vec<FoundingMember>,
    },
    /// It belongs to a cluster: none is to be founded.
    Exists {
        /// Which.
        cluster: ClusterId,
        /// The members that it knows of.
        members: Vec<FoundingMember>,
    },
    /// The asking node's name was promised by another node: the asking node is not the one that it replaces.
    Taken {
        /// Who promised.
        owner: FoundingMember,
    },
}

/// A node asks for a number in an existing cluster. Any member takes it and passes it to the directory. Repeating it
/// is harmless: a node id gets one number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JoinCluster {
    /// Its node id.
    pub node: NodeId,
    /// Its configured name.
    pub name: String,
    /// Its process start.
    pub generation: Generation,
    /// `host:port` of its rpc listener.
    pub rpc: String,
    /// `host:port` of its SWIM socket.
    pub swim: String,
    /// How many groups it can hold.
    pub groups_max: u32,
    /// Highest feature version that it understands.
    pub feature: u16,
}

/// The number that was given.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JoinedCluster {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node's number in it.
    pub member: MemberNumber,
    /// Present members, this one included.
    pub members: Vec<FoundingMember>,
}

/// Gives the leadership of a job's group to another of its replicas. Served by the node that leads it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TransferGroup {
    /// The job.
    pub job: JobId,
    /// To whom.
    pub to: MemberNumber,
}

/// Builds a snapshot of a job's group and shortens its log. Served by every replica.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SnapshotGroup {
    /// The job.
    pub job: JobId,
}
