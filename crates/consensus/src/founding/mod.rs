//! How a cluster begins, exactly once, and how a node joins one.
//!
//! ```text
//!   every initial member: ask ALL others ──▶ views ──▶ core::decide ──┬─ wait, and say for whom
//!        (answered by the desk)                                       ├─ promise {list, every node id}, durably
//!                                                                     ├─ found: number 1, when all have promised alike
//!                                                                     ├─ adopt: a cluster exists and lists this node
//!                                                                     └─ join: a cluster exists; ask for a new number
//! ```
//!
//! A promise names every node id, so a node that was wiped in between is noticed. The cluster id is durable at number
//! 1 before anybody else is told.

mod core;
mod desk;
mod gatekeeper;
mod list;
mod run;

use muster_wire::rpc::cluster::FoundingMember;
use muster_wire::{ClusterId, MemberNumber};

pub use desk::{Admission, Desk};
pub use gatekeeper::ClusterGatekeeper;
pub use list::{list_difference, list_digest};
pub use run::{FoundingConfig, FoundingParts, found_or_join};

use crate::identity::IdentityError;

/// Voters of a new cluster's directory group; further initial members are learners.
pub const VOTERS_MAX: u32 = 5;

/// How far the founding or joining is; shown while a node starts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Founding {
    /// Asking the others for the first time.
    #[default]
    Asking,
    /// These cannot be reached, or have not promised yet.
    Waiting {
        /// Their names, in list order.
        for_whom: Vec<String>,
    },
    /// Something must be done by an operator; tried again meanwhile.
    Blocked {
        /// What, in one sentence.
        why: String,
    },
    /// A cluster exists; waiting for a number in it.
    Joining {
        /// Which.
        cluster: ClusterId,
    },
    /// A member.
    Member {
        /// Of which.
        cluster: ClusterId,
        /// Its number.
        member: MemberNumber,
    },
}

/// What this node is part of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Membership {
    /// The cluster.
    pub cluster: ClusterId,
    /// This node's number.
    pub me: MemberNumber,
    /// The members known when this node became one, by number; current ones are in the directory.
    pub members: Vec<FoundingMember>,
    /// This node made the cluster id: if the directory group is empty here, it initialises it with `members`.
    pub founder: bool,
}

impl Membership {
    /// Is an initial member a voter of the new directory group? The first five are.
    pub const fn is_initial_voter(number: MemberNumber) -> bool {
        number.0 <= VOTERS_MAX
    }
}

/// Why a node cannot become part of a cluster; trying again without a change is useless.
#[derive(Debug, thiserror::Error)]
pub enum FoundingError {
    /// The members were given different lists.
    #[error("`cluster.initial_members` differs from that of `{with}`: {difference}")]
    ListsDiffer {
        /// The other.
        with: String,
        /// What differs.
        difference: String,
    },
    /// A list that names a node twice, or neither this node nor any address to join by.
    #[error("`cluster.initial_members`: {0}")]
    List(String),
    /// Another node answers at a listed address.
    #[error("`{answers}` answers at the address of `{listed}`: check `cluster.initial_members`")]
    WrongNode {
        /// The listed name.
        listed: String,
        /// The name of who answers.
        answers: String,
    },
    /// Two clusters exist among the listed members.
    #[error(
        "two clusters exist among the initial members: {one} and {other}; empty the data directories of one of them"
    )]
    TwoClusters {
        /// One.
        one: ClusterId,
        /// The other.
        other: ClusterId,
    },
    /// This node has promised to found a cluster from another list.
    #[error(
        "this node has promised to found a cluster from another `cluster.initial_members`: restore that list, or empty the data directory of every member"
    )]
    PromisedElsewhere,
    /// The identity cannot be written.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The node is stopping.
    #[error("stopped before a cluster was founded or joined")]
    Stopped,
}

#[cfg(test)]
mod cluster_test;
