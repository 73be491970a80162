//! Nodes of one cluster in one process, over real loopback sockets and real files.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use muster_link::{LinkConfig, LinkParts, Links};
use muster_runtime::{Clock, TaskScope, random};
use muster_swim::{Meta, Swim};
use muster_wal::{Options, Wal};
use muster_wire::hello::{Hello, PROTOCOL};
use muster_wire::job::Digest;
use muster_wire::{JobId, MemberNumber, NodeId, RequestId, Role};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::ledger::{Ledger, put};
use crate::config::{ConsensusConfig, InitialMember, Profile};
use crate::coordinator::{Coordinator, Parts};
use crate::directory::{RegisterJob, Registered};
use crate::error::ProposeError;
use crate::identity::{self, Identity, WAL_DIR};
use crate::status::Consistency;
use crate::storage::RealStorage;

pub(crate) const SOON: Duration = Duration::from_secs(60);
pub(crate) const CALL: Duration = Duration::from_secs(20);

/// Data directories and addresses; they outlive the nodes.
pub(crate) struct Site {
    pub(crate) dirs: Vec<TempDir>,
    pub(crate) list: Vec<InitialMember>,
    sleep_after: Duration,
    evict_after: Duration,
}

/// What the nodes log, if the environment asks for it.
fn logs() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into());
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init());
}

impl Site {
    pub(crate) fn of(members: usize) -> Self {
        logs();
        let dirs = (0..members).map(|_| TempDir::new().unwrap()).collect();
        let list = (1..=members).map(listed).collect();
        let (sleep_after, evict_after) = (Duration::from_secs(10), Duration::from_secs(300));
        Self { dirs, list, sleep_after, evict_after }
    }

    /// Groups fall asleep and leave memory after these times.
    pub(crate) fn resting(self, sleep_after: Duration, evict_after: Duration) -> Self {
        Self { sleep_after, evict_after, ..self }
    }

    pub(crate) fn config(&self, at: usize) -> ConsensusConfig {
        ConsensusConfig {
            role: Role::Manager,
            datacenter: "here".into(),
            cluster_name: "test".into(),
            data_dir: self.dirs[at].path().to_owned(),
            name: self.list[at].name.clone(),
            initial_members: self.list.clone(),
            profile: Profile::Test,
            replication: 3,
            groups_max: 1000,
            awake_max: 1000,
            resident_max: 1000,
            sleep_after: self.sleep_after,
            evict_after: self.evict_after,
            snapshot_entries: 50,
            register_timeout: Duration::from_secs(60),
            tombstone_keep: Duration::from_secs(600),
            wal_segment_bytes: 8 << 20,
            wal_budget_bytes: 256 << 20,
            in_flight_per_group: 256,
            in_flight_per_node: 8192,
        }
    }

    pub(crate) async fn node(&self, at: usize) -> Node {
        Node::start(self.config(at), &self.list[at]).await
    }

    /// A node that is not among the founders.
    pub(crate) async fn joiner(&self, name: &str) -> Node {
        let own = InitialMember { name: name.into(), ..listed(0) };
        let dir = TempDir::new().unwrap().keep();
        let config = ConsensusConfig { data_dir: dir, name: name.into(), ..self.config(0) };
        Node::start(config, &own).await
    }

    /// All nodes, started together.
    pub(crate) async fn nodes(&self) -> Vec<Node> {
        let started = futures_util::future::join_all((0..self.list.len()).map(|at| self.node(at)));
        let nodes = tokio::time::timeout(SOON, started).await.unwrap();
        for node in &nodes {
            node.sees_active(self.list.len()).await;
        }
        nodes
    }
}

/// The log of a node that is stopped.
pub(crate) fn log_of(data_dir: &Path, node: NodeId) -> Wal {
    let options = Options { node: node.0.to_be_bytes(), segment_bytes: 1 << 20, ..Options::default() };
    Wal::open(&data_dir.join(WAL_DIR), options).unwrap()
}

pub(crate) async fn kill_all(nodes: Vec<Node>) {
    for node in nodes {
        node.kill().await;
    }
}

/// On a loopback address of its own: a port that was free is not taken by another test meanwhile.
fn listed(number: usize) -> InitialMember {
    let part = || 1 + random::below(253);
    let ip = format!("127.{}.{}.{}", part(), part(), part());
    let port = || std::net::TcpListener::bind(format!("{ip}:0")).unwrap().local_addr().unwrap().port();
    let (rpc, swim) = (format!("{ip}:{}", port()), format!("{ip}:{}", port()));
    InitialMember { name: format!("m{number}"), rpc, swim }
}

pub(crate) struct Node {
    pub(crate) coordinator: Coordinator<Ledger>,
    pub(crate) scope: TaskScope,
}

impl Node {
    async fn start(config: ConsensusConfig, listed: &InitialMember) -> Self {
        let scope = TaskScope::new();
        let clock = Clock::system();
        let identity = open_identity(&config.data_dir, &config.name).await;
        let listener = bind(&listed.rpc).await;
        let hello = hello(&identity, &config, &listed.rpc);
        let parts = LinkParts { listener, hello, scope: scope.clone(), clock: clock.clone() };
        let links = Links::start(LinkConfig::default(), parts);
        let swim = || Swim::start(swim_config(&identity, &config, listed), scope.clone(), clock.clone());
        let swim = eventually("the port is free", || async { swim().await.ok() }).await;
        let storage = RealStorage::shared();
        let parts = Parts { config, identity, links, swim, storage, scope: scope.clone(), clock };
        let coordinator = Coordinator::start(parts).await.unwrap();
        Self { coordinator, scope }
    }

    /// Its links fall silent at once; nothing is handed over.
    pub(crate) async fn kill(self) {
        self.scope.cancel();
        self.coordinator.shutdown(CALL).await;
        let ended = self.scope.shutdown(CALL).await;
        ended.unwrap();
    }

    pub(crate) fn member(&self) -> MemberNumber {
        self.coordinator.me().member
    }

    pub(crate) async fn sees_active(&self, members: usize) {
        let mut views = self.coordinator.directory_watch();
        let seen = views.wait_for(|view| view.state.active().count() >= members);
        tokio::time::timeout(SOON, seen).await.expect("members are not active in time").unwrap();
    }

    /// Registers a job with this node as its proposer.
    pub(crate) async fn register(&self, job: JobId) -> Result<Registered, ProposeError> {
        self.coordinator.register(registration(job, self.member()), CALL).await
    }

    /// The same with the entry that it begins with, and what it came to.
    pub(crate) async fn found(&self, job: JobId, number: u64) -> Registered {
        let call = registration(job, self.member());
        self.coordinator.found(call, &put(job, number), CALL).await.unwrap()
    }

    /// Repeats the same request while its outcome is unknown, as a client does.
    pub(crate) async fn put(&self, job: JobId, number: u64) -> Result<u64, ProposeError> {
        let request = RequestId::new(Clock::system().unix_ms(), random::bits128());
        let entry = put(job, number).for_request(request);
        loop {
            match self.coordinator.propose(job, entry.clone(), CALL).await {
                Err(ProposeError::Unknown) => tokio::task::yield_now().await,
                other => return other.map(|reply| reply.reply(0).unwrap()),
            }
        }
    }

    /// Waits until the job's group is in this state here.
    pub(crate) async fn sees(&self, job: JobId, state: &str) {
        eventually(state, || async { self.coordinator.group(job).filter(|group| group.state == state) })
            .await;
    }

    /// The numbers by a linearizable read.
    pub(crate) async fn numbers(&self, job: JobId) -> Vec<u64> {
        let view = self.coordinator.read(job, Consistency::Linearizable, CALL).await.unwrap();
        view.state.numbers.iter().copied().collect()
    }
}

pub(crate) fn registration(job: JobId, proposer: MemberNumber) -> RegisterJob {
    RegisterJob {
        job,
        key: None,
        digest: Digest([7; 32]),
        name: "job".into(),
        labels: Default::default(),
        proposer,
        avoid: vec![],
        replication: 3,
        retired: None,
        opening: None,
    }
}

/// The lock may still be held by the node that was just stopped.
async fn open_identity(dir: &Path, name: &str) -> Identity {
    eventually("the data directory is free", || async {
        identity::open(dir, name, Role::Manager).inspect_err(|error| tracing::info!(%error, "not yet")).ok()
    })
    .await
}

async fn bind(addr: &str) -> TcpListener {
    eventually("the address is free", || async { TcpListener::bind(addr).await.ok() }).await
}

fn hello(identity: &Identity, config: &ConsensusConfig, rpc: &str) -> Hello {
    Hello {
        protocol: PROTOCOL,
        cluster_name: config.cluster_name.clone(),
        cluster: identity.cluster,
        node: identity.node,
        member: identity.member,
        generation: identity.generation,
        role: Role::Manager,
        datacenter: config.datacenter.clone(),
        name: config.name.clone(),
        rpc: rpc.into(),
        feature: 1,
    }
}

fn swim_config(identity: &Identity, config: &ConsensusConfig, listed: &InitialMember) -> muster_swim::Config {
    muster_swim::Config {
        id: identity.node,
        generation: identity.generation,
        cluster: config.cluster_name.clone(),
        listen: listed.swim.parse().unwrap(),
        seeds: config.initial_members.iter().map(|member| member.swim.clone()).collect(),
        meta: Meta {
            role: Role::Manager,
            dc: config.datacenter.clone(),
            name: config.name.clone(),
            rpc: listed.rpc.clone(),
            swim: listed.swim.clone(),
            ..Meta::default()
        },
        profile: muster_swim::Profile::Test,
        keys: muster_swim::KeyRing::default(),
    }
}

/// Waits for a level, within a deadline.
pub(crate) async fn eventually<T, F, Fut>(what: &str, mut check: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let found = tokio::time::timeout(SOON, async {
        loop {
            if let Some(found) = check().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("not in time: {what}"))
}
