//! What the identity file holds.

use std::collections::BTreeMap;

use muster_wire::job::Digest;
use muster_wire::rpc::cluster::FoundingMember;
use muster_wire::{ClusterId, Generation, MemberNumber, NodeId, Role};
use serde::{Deserialize, Serialize};

use super::{Joining, SEEN_MAX};

/// A promise to be part of one cluster and of no other: made before the cluster's id exists.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FoundingPromise {
    /// SHA-256 of the member list.
    pub list: Digest,
    /// This node's number.
    pub number: MemberNumber,
    /// Every initial member with its node id, this one included, by number.
    pub members: Vec<FoundingMember>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) node: NodeId,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) generation: Generation,
    #[serde(default)]
    pub(super) cluster: Option<ClusterId>,
    #[serde(default)]
    pub(super) member: MemberNumber,
    #[serde(default)]
    pub(super) founder: bool,
    #[serde(default)]
    pub(super) promise: Option<FoundingPromise>,
    #[serde(default)]
    pub(super) members: Vec<FoundingMember>,
    #[serde(default)]
    pub(super) seen: BTreeMap<MemberNumber, Generation>,
}

impl Record {
    pub(super) fn new(name: &str, role: Role) -> Self {
        Self {
            node: NodeId(muster_runtime::random::bits128()),
            name: name.into(),
            role,
            generation: Generation(0),
            cluster: None,
            member: MemberNumber(0),
            founder: false,
            promise: None,
            members: Vec::new(),
            seen: BTreeMap::new(),
        }
    }

    pub(super) fn join(&mut self, joined: Joining) {
        self.cluster = Some(joined.cluster);
        self.member = joined.member;
        self.members = joined.members;
        self.founder = joined.founder;
        self.promise = None;
    }

    pub(super) fn see(&mut self, seen: &BTreeMap<MemberNumber, Generation>) {
        for (member, generation) in seen {
            let known = self.seen.entry(*member).or_default();
            *known = (*known).max(*generation);
        }
        while self.seen.len() > SEEN_MAX {
            self.seen.pop_first();
        }
    }
}
