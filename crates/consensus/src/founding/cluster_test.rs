//! Three nodes over loopback with real identity files, stopped and restarted at awkward points.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use muster_link::{LinkConfig, LinkParts, Links};
use muster_machine::{Entry, Reason, Replica};
use muster_runtime::{Clock, TaskKind, TaskScope};
use muster_wire::hello::{Hello, PROTOCOL};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::cluster::ListedMember;
use muster_wire::{ClusterId, GroupId, JobId, MemberNumber, Role, Token};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::*;
use crate::directory::{Directory, Joined, MemberJoin, MemberRemove};
use crate::identity::{self, Identity, Joining};

const SOON: Duration = Duration::from_secs(30);

/// Data directories and addresses of the nodes `m1`, `m2`, …; they outlive the nodes.
struct Site {
    dirs: Vec<TempDir>,
    list: Vec<ListedMember>,
}

impl Site {
    fn of(members: usize) -> Self {
        let dirs = (0..members).map(|_| TempDir::new().unwrap()).collect();
        let list = (1..=members).map(|number| listed(&format!("m{number}"))).collect();
        Self { dirs, list }
    }

    fn identity(&self, number: usize) -> Identity {
        identity::open(self.dirs[number - 1].path(), &self.list[number - 1].name, Role::Manager).unwrap()
    }

    /// A node that answers, and asks only once [`Node::found`] is called.
    async fn node(&self, number: usize) -> Node {
        let identity = self.identity(number);
        Node::start(identity, self.list.clone(), &self.list[number - 1].rpc).await
    }

    /// A node that also asks.
    async fn member(&self, number: usize) -> Node {
        let mut node = self.node(number).await;
        node.found();
        node
    }

    /// The disk is lost.
    fn wipe(&mut self, number: usize) {
        self.dirs[number - 1] = TempDir::new().unwrap();
    }

    /// All members, founded.
    async fn founded(&self) -> (Vec<Node>, ClusterId) {
        let mut nodes = Vec::new();
        for number in 1..=self.list.len() {
            nodes.push(self.member(number).await);
        }
        let mut cluster = ClusterId(0);
        for node in &mut nodes {
            cluster = node.membership().await.cluster;
        }
        (nodes, cluster)
    }
}

fn listed(name: &str) -> ListedMember {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    ListedMember { name: name.into(), rpc: format!("127.0.0.1:{port}"), swim: format!("127.0.0.1:{port}") }
}

struct Node {
    identity: Identity,
    scope: TaskScope,
    links: Links,
    desk: Arc<Desk>,
    config: FoundingConfig,
    status: watch::Receiver<Founding>,
    outcome: watch::Receiver<Option<Result<Membership, String>>>,
}

impl Node {
    async fn start(identity: Identity, list: Vec<ListedMember>, rpc: &str) -> Self {
        let scope = TaskScope::new();
        let listener = bind(rpc).await;
        let hello = hello(&identity, rpc);
        let parts =
            LinkParts { listener, hello: hello.clone(), scope: scope.clone(), clock: Clock::system() };
        let links = Links::start(LinkConfig::default(), parts);
        let desk = Desk::new(&identity, list.clone());
        links.guard(ClusterGatekeeper::new(&identity, hello));
        links.serve(desk.service());
        let config = FoundingConfig { list, join: vec![], rpc: rpc.into(), swim: rpc.into(), groups_max: 10 };
        let (status, outcome) = (watch::channel(Founding::default()).1, watch::channel(None).1);
        Self { identity, scope, links, desk, config, status, outcome }
    }

    fn found(&mut self) {
        let (status, seen) = watch::channel(Founding::default());
        let (told, outcome) = watch::channel(None);
        (self.status, self.outcome) = (seen, outcome);
        let (config, links, scope) = (self.config.clone(), self.links.clone(), self.scope.clone());
        let mut identity = self.identity.clone();
        self.scope.spawn(TaskKind::new("founding"), move |_| async move {
            let parts = FoundingParts { config, links, scope, clock: Clock::system(), status };
            let outcome = found_or_join(&mut identity, &parts).await;
            told.send_replace(Some(outcome.map_err(|error| error.to_string())));
        });
    }

    async fn outcome(&mut self) -> Result<Membership, String> {
        let outcome = tokio::time::timeout(SOON, self.outcome.wait_for(Option::is_some)).await;
        outcome
            .unwrap_or_else(|_| panic!("stuck: {:?}", self.status.borrow().clone()))
            .unwrap()
            .clone()
            .unwrap()
    }

    async fn membership(&mut self) -> Membership {
        self.outcome().await.unwrap()
    }

    async fn shows(&mut self, wanted: impl Fn(&Founding) -> bool) -> Founding {
        let seen = tokio::time::timeout(SOON, self.status.wait_for(wanted)).await;
        seen.unwrap_or_else(|_| panic!("not shown in time")).unwrap().clone()
    }

    /// As a kill would: nothing is written any more.
    async fn stop(self) {
        self.scope.shutdown(SOON).await.unwrap();
    }
}

/// The address may still be held by the node that was just stopped.
async fn bind(rpc: &str) -> TcpListener {
    let bound = async {
        loop {
            match TcpListener::bind(rpc).await {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(SOON, bound).await.unwrap()
}

fn hello(identity: &Identity, rpc: &str) -> Hello {
    Hello {
        protocol: PROTOCOL,
        cluster_name: "test".into(),
        cluster: identity.cluster,
        node: identity.node,
        member: identity.member,
        generation: identity.generation,
        role: Role::Manager,
        datacenter: "dc".into(),
        name: identity.name(),
        rpc: rpc.into(),
        feature: 1,
    }
}

/// What a started node has: a log.
fn with_wal(dir: &Path) {
    std::fs::create_dir_all(dir.join(identity::WAL_DIR)).unwrap();
    std::fs::write(dir.join(identity::WAL_DIR).join("1.wal"), b"segment").unwrap();
}

/// A directory with a leader; without one, joins are not answered.
struct Registry(Mutex<Replica<Directory>>, bool);

impl Registry {
    fn of(membership: &Membership, has_leader: bool) -> Arc<Self> {
        let registry = Self(Mutex::new(Replica::born(GroupId(0), JobId(0))), true);
        for member in &membership.members {
            let entered = registry.propose(&MemberJoin {
                node: member.node,
                name: member.name.clone(),
                generation: muster_wire::Generation(1),
                rpc: String::new(),
                swim: String::new(),
                groups_max: 10,
                feature: 1,
                founding: Some(member.number),
                voter: true,
            });
            assert_eq!(entered, Ok(Joined { member: member.number }));
        }
        Arc::new(Self(registry.0, has_leader))
    }

    fn propose<C: muster_machine::Command>(&self, command: &C) -> Result<C::Reply, Reason> {
        let entry = Entry::new(JobId(0), Token(0), 1).with(command).unwrap().encode().unwrap();
        self.0.lock().unwrap().apply(1, &entry).unwrap().reply(0)
    }
}

impl Admission for Registry {
    fn join(&self, join: MemberJoin) -> BoxFuture<'static, Result<Joined, RpcError>> {
        let outcome = match self.1 {
            true => self.propose(&join).map_err(|reason| RpcError::Refused { why: reason.to_string() }),
            false => Err(RpcError::NotLeader { leader: None }),
        };
        std::future::ready(outcome).boxed()
    }

    fn directory(&self) -> Directory {
        self.0.lock().unwrap().machine().clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_blank_nodes_found_one_cluster() {
    let site = Site::of(3);
    let (mut nodes, cluster) = site.founded().await;
    for (node, number) in nodes.iter_mut().zip(1..) {
        let membership = node.membership().await;
        assert_eq!((membership.cluster, membership.me), (cluster, MemberNumber(number)));
        assert_eq!((membership.members.len(), membership.founder), (3, number == 1));
        let hello = node.links.hello();
        assert_eq!((hello.cluster, hello.member), (Some(cluster), MemberNumber(number)));
    }
}

#[tokio::test]
async fn a_node_alone_founds_at_once() {
    let site = Site::of(1);
    let membership = site.member(1).await.membership().await;
    assert_eq!((membership.me, membership.founder), (MemberNumber(1), true));
}

#[tokio::test]
async fn a_node_that_cannot_reach_all_others_waits_and_says_for_whom() {
    let site = Site::of(3);
    let (mut one, _two) = (site.member(1).await, site.node(2).await);
    one.shows(|state| *state == Founding::Waiting { for_whom: vec!["m3".into()] }).await;
    let _three = site.member(3).await;
    one.shows(|state| *state == Founding::Waiting { for_whom: vec!["m2".into()] }).await;
    assert_eq!(one.identity.membership(), None);
}

#[tokio::test]
async fn a_crash_after_the_promise_changes_nothing() {
    let site = Site::of(3);
    let (one, mut two, _three) = (site.node(1).await, site.member(2).await, site.member(3).await);
    two.shows(|state| *state == Founding::Waiting { for_whom: vec!["m1".into()] }).await;
    let promise = two.identity.promised().unwrap();
    two.stop().await;
    one.stop().await;
    let (mut one, mut two) = (site.member(1).await, site.member(2).await);
    assert_eq!(two.identity.promised(), Some(promise));
    assert_eq!(one.membership().await.cluster, two.membership().await.cluster);
}

#[tokio::test]
async fn a_founder_that_crashes_before_telling_anybody_founded_nevertheless() {
    let site = Site::of(3);
    let (mut one, mut two, mut three) = (site.node(1).await, site.member(2).await, site.member(3).await);
    two.shows(|state| *state == Founding::Waiting { for_whom: vec!["m1".into()] }).await;
    let members = two.identity.promised().unwrap().members;
    let joining = Joining { cluster: ClusterId(42), member: MemberNumber(1), members, founder: true };
    one.links.serve(muster_link::router().build());
    one.identity.joined(joining).unwrap();
    one.stop().await;
    two.shows(|state| *state == Founding::Waiting { for_whom: vec!["m1".into()] }).await;
    with_wal(site.dirs[0].path());
    let mut one = site.member(1).await;
    let membership = one.membership().await;
    assert!(membership.founder);
    for node in [&mut two, &mut three] {
        assert_eq!(
            node.membership().await,
            Membership { me: node.identity.membership().unwrap().1, founder: false, ..membership.clone() }
        );
    }
}

#[tokio::test]
async fn two_different_lists_are_refused_with_the_difference() {
    let site = Site::of(3);
    let mut other = site.list.clone();
    other[2].name = "m9".into();
    let _one = Node::start(site.identity(1), other, &site.list[0].rpc).await;
    let refusal = site.member(2).await.outcome().await.unwrap_err();
    assert!(
        refusal.contains("differs from that of `m1`: number 3 is `m3`") && refusal.contains("`m9`"),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_wiped_node_waits_until_its_old_self_is_removed_and_gets_a_new_number() {
    let mut site = Site::of(3);
    let (mut nodes, cluster) = site.founded().await;
    let registry = Registry::of(&nodes[0].membership().await, true);
    nodes.iter().for_each(|node| node.desk.open(registry.clone()));
    nodes.remove(1).stop().await;
    site.wipe(2);
    let mut wiped = site.member(2).await;
    let blocked = |state: &Founding| matches!(state, Founding::Blocked { why } if why.contains("`muster node remove m2`"));
    wiped.shows(blocked).await;
    registry.propose(&MemberRemove { member: MemberNumber(2) }).unwrap();
    let membership = wiped.membership().await;
    assert_eq!((membership.cluster, membership.me, membership.founder), (cluster, MemberNumber(4), false));
    assert_eq!(membership.members.iter().map(|member| member.number.0).collect::<Vec<_>>(), [1, 3, 4]);
}

#[tokio::test]
async fn two_wiped_nodes_of_three_do_not_found_a_second_cluster() {
    let mut site = Site::of(3);
    let (mut nodes, _) = site.founded().await;
    let registry = Registry::of(&nodes[0].membership().await, false);
    let three = nodes.remove(2);
    three.desk.open(registry);
    for (node, number) in nodes.into_iter().zip(1..) {
        node.stop().await;
        site.wipe(number);
    }
    for (mut wiped, name) in [(site.member(1).await, "m1"), (site.member(2).await, "m2")] {
        // The last node says no by itself, without the quorum that it lacks.
        let way_out = format!("`muster node remove {name}`");
        wiped.shows(|state| matches!(state, Founding::Blocked { why } if why.contains(&way_out))).await;
        assert_eq!((wiped.identity.membership(), wiped.identity.promised()), (None, None));
    }
}

#[tokio::test]
async fn a_node_that_was_wiped_between_promise_and_founding_is_refused() {
    let mut site = Site::of(3);
    let (_one, mut two, mut three) = (site.node(1).await, site.member(2).await, site.member(3).await);
    for node in [&mut two, &mut three] {
        node.shows(|state| *state == Founding::Waiting { for_whom: vec!["m1".into()] }).await;
    }
    two.stop().await;
    site.wipe(2);
    let mut two = site.member(2).await;
    let taken = |state: &Founding| matches!(state, Founding::Blocked { why } if why.contains("number 2 belongs to node"));
    two.shows(taken).await;
    three.shows(|state| matches!(state, Founding::Blocked { why } if why.contains("(`m2`)"))).await;
}

#[tokio::test]
async fn a_node_outside_the_list_joins_by_an_address() {
    let site = Site::of(1);
    let mut one = site.member(1).await;
    let membership = one.membership().await;
    one.desk.open(Registry::of(&membership, true));
    let dir = TempDir::new().unwrap();
    let identity = identity::open(dir.path(), "late", Role::Manager).unwrap();
    let mut late = Node::start(identity, Vec::new(), &listed("late").rpc).await;
    late.config.join = vec![site.list[0].rpc.clone()];
    late.found();
    let joined = late.membership().await;
    assert_eq!((joined.cluster, joined.me), (membership.cluster, MemberNumber(2)));
}

#[tokio::test]
async fn a_node_that_nobody_listed_and_that_knows_no_address_is_refused() {
    let site = Site::of(1);
    let dir = TempDir::new().unwrap();
    let identity = identity::open(dir.path(), "lost", Role::Manager).unwrap();
    let mut lost = Node::start(identity, Vec::new(), &site.list[0].rpc).await;
    lost.found();
    assert!(lost.outcome().await.unwrap_err().contains("`lost` is not in it"));
}

#[tokio::test]
async fn stopping_ends_the_wait() {
    let site = Site::of(3);
    let mut one = site.member(1).await;
    one.shows(|state| matches!(state, Founding::Waiting { .. })).await;
    one.scope.cancel();
    assert!(one.outcome().await.unwrap_err().contains("stopped"));
}
