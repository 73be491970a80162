//! Where the members are: numbers to nodes to addresses. Addresses come from handshakes and the failure detector
//! (highest generation), else from the directory.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use imbl::OrdMap;
use muster_link::{CallError, Links};
use muster_swim::Swim;
use muster_wire::hello::Hello;
use muster_wire::rpc::Call;
use muster_wire::{Generation, MemberNumber, NodeId, NodeRef};

use crate::raft::pipeline::Distance;

/// The members' book, and calls by member number. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Peers {
    shared: Arc<Shared>,
}

struct Shared {
    links: Links,
    swim: Swim,
    me: NodeRef,
    book: RwLock<OrdMap<MemberNumber, Known>>,
}

/// A member's process.
#[derive(Clone)]
struct Known {
    node: NodeRef,
    /// Of all groups that have a replica there.
    distance: Arc<Distance>,
}

impl Known {
    fn is_replaced_by(&self, node: &NodeRef) -> bool {
        self.node.id != node.id || self.node.generation <= node.generation
    }

    /// Is it the same process, perhaps with another address?
    fn is_process(&self, node: &NodeRef) -> bool {
        (self.node.id, self.node.generation) == (node.id, node.generation)
    }
}

impl Peers {
    pub(crate) fn new(links: Links, swim: Swim, me: NodeRef) -> Self {
        let shared = Shared { links, swim, me, book: RwLock::default() };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn links(&self) -> &Links {
        &self.shared.links
    }

    pub(crate) fn swim(&self) -> &Swim {
        &self.shared.swim
    }

    /// This node.
    pub(crate) fn me(&self) -> NodeRef {
        self.shared.me.clone()
    }

    /// Learns of a member; news about a known node replaces what is older.
    pub(crate) fn learn(&self, node: NodeRef) {
        let mut book = self.shared.book.write().unwrap_or_else(PoisonError::into_inner);
        let known = book.get(&node.member);
        let is_news = known.is_none_or(|known| known.is_replaced_by(&node));
        if is_news && node.member != MemberNumber(0) {
            let distance = known.filter(|known| known.is_process(&node)).map(|known| known.distance.clone());
            book.insert(node.member, Known { node, distance: distance.unwrap_or_default() });
        }
    }

    /// Learns from a handshake with a member of this tier's cluster.
    pub(crate) fn learn_hello(&self, hello: &Hello) {
        if self.is_of_our_cluster(hello) {
            self.learn(node_of(hello));
        }
    }

    /// Learns of a newer process before what it says counts: what it leads is not led by the one before it.
    pub(crate) fn learn_newer(&self, hello: &Hello) {
        let book = self.shared.book.read().unwrap_or_else(PoisonError::into_inner);
        let known = book.get(&hello.member).map(|known| known.node.generation);
        drop(book);
        if known.is_none_or(|known| known < hello.generation) {
            self.learn_hello(hello);
        }
    }

    /// Has the other end a number in this node's cluster?
    pub(crate) fn is_of_our_cluster(&self, hello: &Hello) -> bool {
        let ours = self.shared.links.hello().cluster;
        ours.is_some() && hello.cluster == ours && hello.member != MemberNumber(0)
    }

    /// A member as last heard of, with its newest address.
    pub(crate) fn node(&self, member: MemberNumber) -> Option<NodeRef> {
        let me = self.me();
        if member == me.member {
            return Some(me);
        }
        Some(self.freshen(self.in_book(member)?.node))
    }

    fn in_book(&self, member: MemberNumber) -> Option<Known> {
        self.shared.book.read().unwrap_or_else(PoisonError::into_inner).get(&member).cloned()
    }

    /// How far a member's process is, as far as it was heard of.
    pub(crate) fn distance(&self, member: MemberNumber) -> Arc<Distance> {
        self.in_book(member).map(|known| known.distance).unwrap_or_default()
    }

    fn freshen(&self, mut node: NodeRef) -> NodeRef {
        for (addr, generation) in self.sightings(node.id) {
            if generation >= node.generation && !addr.is_empty() {
                (node.addr, node.generation) = (addr, generation);
            }
        }
        node
    }

    /// Where a node was seen; what is seen last counts most.
    fn sightings(&self, id: NodeId) -> Vec<(String, Generation)> {
        let swim = self.shared.swim.member(id).map(|member| (member.meta.rpc.clone(), member.generation));
        swim.into_iter().chain(self.shared.links.addr_of(id)).collect()
    }

    /// The number of another member.
    pub(crate) fn member_of(&self, node: NodeId) -> Option<MemberNumber> {
        let book = self.shared.book.read().unwrap_or_else(PoisonError::into_inner).clone();
        let found = book.values().rev().find(|known| known.node.id == node).map(|known| known.node.member);
        found.filter(|member| *member != self.shared.me.member)
    }

    /// Is a member not known dead or gone?
    pub(crate) fn is_live(&self, member: MemberNumber) -> bool {
        let seen = self.node(member).and_then(|node| self.shared.swim.member(node.id));
        seen.is_none_or(|seen| seen.state.is_live())
    }

    /// Is the link to a member open?
    pub(crate) fn is_linked(&self, member: MemberNumber) -> bool {
        self.node(member).is_some_and(|node| self.shared.links.is_open(&node.addr))
    }

    /// Every known member but this node.
    pub(crate) fn others(&self) -> Vec<NodeRef> {
        let me = self.me().member;
        let book = self.shared.book.read().unwrap_or_else(PoisonError::into_inner).clone();
        book.into_iter()
            .map(|(_, known)| known.node)
            .filter(|node| node.member != me)
            .map(|node| self.freshen(node))
            .collect()
    }

    fn known(&self, member: MemberNumber) -> Result<NodeRef, CallError> {
        self.node(member).ok_or_else(|| CallError::Unreachable(format!("member {member} is not known")))
    }

    /// Calls a member over a second link, so that nothing else waits behind what is large.
    pub(crate) async fn call_aside<C: Call>(
        &self,
        member: MemberNumber,
        call: &C,
        within: Duration,
    ) -> Result<C::Reply, CallError> {
        let node = self.known(member)?;
        self.shared.links.call_node_aside(&node, call, within).await
    }

    /// Calls a member.
    pub(crate) async fn call<C: Call>(
        &self,
        member: MemberNumber,
        call: &C,
        within: Duration,
    ) -> Result<C::Reply, CallError> {
        let node = self.known(member)?;
        self.shared.links.call_node(&node, call, within).await
    }
}

/// A node as its handshake names it.
pub(crate) fn node_of(hello: &Hello) -> NodeRef {
    NodeRef {
        id: hello.node,
        generation: hello.generation,
        member: hello.member,
        name: hello.name.clone(),
        addr: hello.rpc.clone(),
    }
}
