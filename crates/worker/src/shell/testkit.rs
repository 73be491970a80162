//! A worker among managers that only write down what they are told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use muster_link::{LinkConfig, LinkParts, Links, Service, router};
use muster_node::config::{Config, Sources};
use muster_node::{BootParts, Listeners};
use muster_runtime::{Clock, TaskScope};
use muster_swim::{Meta, Profile, Swim};
use muster_wire::hello::{Hello, PROTOCOL};
use muster_wire::job::AttemptKey;
use muster_wire::rpc::worker::{
    FindJobLeader, JobLeader, Rank, ReportShardProgress, ReportShardResult, Reservation, Reserve,
    ResultReply, RunSpec, StartReply, StartShard,
};
use muster_wire::rpc::{Ack, Call, RpcError};
use muster_wire::{
    Attempt, DispatchToken, Generation, JobId, MemberNumber, NodeId, NodeRef, Role, Shard, Token, WorkflowIx,
};
use tokio::net::TcpListener;

use crate::run::{WorkerNode, run};

pub(super) const SOON: Duration = Duration::from_secs(20);
pub(super) const JOB: JobId = JobId(0x0190_0000_0000_7000_8000_0000_0000_0001);

pub(super) fn key(shard: u32, attempt: u32) -> AttemptKey {
    AttemptKey { workflow: WorkflowIx(0), shard: Shard(shard), attempt: Attempt(attempt) }
}

/// What a manager was told, and how it answers.
#[derive(Default)]
pub(super) struct Book {
    pub(super) results: Vec<ReportShardResult>,
    pub(super) progress: Vec<ReportShardProgress>,
    /// Told when asked for the leader; without one the job is unknown here.
    pub(super) leader: Option<JobLeader>,
    /// What the next results are refused with.
    pub(super) refusal: Option<RpcError>,
}

#[derive(Clone)]
pub(super) struct Manager {
    pub(super) me: NodeRef,
    pub(super) swim: Swim,
    pub(super) book: Arc<Mutex<Book>>,
    pub(super) links: Links,
    scope: TaskScope,
}

impl Manager {
    pub(super) async fn start(number: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let scope = TaskScope::new();
        let (me, hello) = (node(number, &addr), hello(number, &addr));
        let parts = LinkParts { listener, hello, scope: scope.clone(), clock: Clock::system() };
        let links = Links::start(LinkConfig::default(), parts);
        let book = Arc::<Mutex<Book>>::default();
        links.serve(service(book.clone()));
        let swim = Swim::start(swim(&me), scope.clone(), Clock::system()).await.unwrap();
        Self { me, swim, book, links, scope }
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn lead(&self, token: u64) {
        let leader = JobLeader { manager: self.me.clone(), token: Token(token) };
        self.with(|book| book.leader = Some(leader));
    }

    /// Waits until so many results have come.
    pub(super) async fn results(&self, many: usize) -> Vec<ReportShardResult> {
        until(|| self.with(|book| book.results.len() >= many)).await;
        self.with(|book| book.results.clone())
    }

    /// Ends as a killed process does.
    pub(super) async fn kill(&self) {
        self.scope.shutdown(SOON).await.unwrap();
    }

    pub(super) async fn call<C: Call>(&self, worker: &WorkerNode, call: &C) -> Result<C::Reply, RpcError> {
        match self.links.call(&worker.base.rpc_advertised, call, SOON).await {
            Ok(reply) => Ok(reply),
            Err(muster_link::CallError::Rpc(error)) => Err(error),
            Err(error) => panic!("{error}"),
        }
    }

    /// Reserves and starts.
    pub(super) async fn launch(&self, worker: &WorkerNode, key: AttemptKey, script: &str) {
        let held = self.call(worker, &reserve(key)).await.unwrap();
        let Reservation::Held { generation, .. } = held else { panic!("not held: {held:?}") };
        let order = StartShard { generation, ..self.order(key, script) };
        let reply = self.call(worker, &order).await.unwrap();
        assert!(matches!(reply, StartReply::Started { .. }), "{reply:?}");
    }

    pub(super) fn order(&self, key: AttemptKey, script: &str) -> StartShard {
        StartShard {
            job: JOB,
            token: Token(1),
            dispatch: DispatchToken::new(Token(1), key.shard.0),
            key,
            generation: Generation(0),
            manager: self.me.clone(),
            run: RunSpec {
                workflow: "w".into(),
                shards: 1,
                cores: 1,
                command: vec!["sh".into(), "-c".into(), script.into()],
                env: BTreeMap::new(),
                timeout_ms: 600_000,
                grace_ms: 100,
                context: BTreeMap::new(),
                context_version: 0,
            },
        }
    }
}

pub(super) fn reserve(key: AttemptKey) -> Reserve {
    let rank = Rank { inverse_priority: 50, created_at_ms: 1, job: JOB };
    Reserve { job: JOB, token: Token(1), key, cores: 1, rank, gang: false, manager: None }
}

fn node(number: u32, addr: &str) -> NodeRef {
    NodeRef {
        id: NodeId(u128::from(number)),
        generation: Generation(1),
        member: MemberNumber(number),
        name: format!("m{number}"),
        addr: addr.into(),
    }
}

fn hello(number: u32, addr: &str) -> Hello {
    Hello {
        protocol: PROTOCOL,
        cluster_name: "muster".into(),
        cluster: None,
        node: NodeId(u128::from(number)),
        member: MemberNumber(number),
        generation: Generation(1),
        role: Role::Manager,
        datacenter: "dc1".into(),
        name: format!("m{number}"),
        rpc: addr.into(),
        feature: 1,
    }
}

fn swim(me: &NodeRef) -> muster_swim::Config {
    muster_swim::Config {
        id: me.id,
        generation: me.generation,
        cluster: "muster/dc1".into(),
        listen: "127.0.0.1:0".parse().unwrap(),
        seeds: Vec::new(),
        meta: Meta {
            role: Role::Manager,
            dc: "dc1".into(),
            name: me.name.clone(),
            member: me.member,
            rpc: me.addr.clone(),
            ..Meta::default()
        },
        profile: Profile::Test,
        keys: muster_swim::KeyRing::default(),
    }
}

fn service(book: Arc<Mutex<Book>>) -> Arc<dyn Service> {
    let (results, progress, leader) = (book.clone(), book.clone(), book);
    let lock = |book: &Arc<Mutex<Book>>, change: &mut dyn FnMut(&mut Book)| {
        change(&mut book.lock().unwrap_or_else(PoisonError::into_inner));
    };
    router()
        .on(move |_, call: ReportShardResult| {
            let mut answer = Ok(ResultReply::Recorded);
            lock(&results, &mut |book| match book.refusal.clone() {
                Some(error) => answer = Err(error),
                None => book.results.push(call.clone()),
            });
            std::future::ready(answer)
        })
        .on(move |_, call: ReportShardProgress| {
            lock(&progress, &mut |book| book.progress.push(call.clone()));
            std::future::ready(Ok(Ack {}))
        })
        .on(move |_, _call: FindJobLeader| {
            let mut answer = Err(RpcError::UnknownJob);
            lock(&leader, &mut |book| answer = book.leader.clone().ok_or(RpcError::UnknownJob));
            std::future::ready(answer)
        })
        .build()
}

/// A worker of this folder that knows these managers.
pub(super) async fn worker(folder: &Path, managers: &[&Manager]) -> WorkerNode {
    worker_with(folder, managers, Duration::from_secs(60)).await
}

/// The same with a shorter grace for orphans than a configuration allows.
pub(super) async fn worker_with(folder: &Path, managers: &[&Manager], orphan_grace: Duration) -> WorkerNode {
    let seeds: Vec<String> =
        managers.iter().map(|manager| format!("\"{}\"", manager.swim.local_addr())).collect();
    let settings = [
        ("node.name", "w1".to_owned()),
        ("node.data_dir", folder.display().to_string()),
        ("listen.http", "127.0.0.1:0".into()),
        ("listen.rpc", "127.0.0.1:0".into()),
        ("listen.swim", "127.0.0.1:0".into()),
        ("cluster.join", format!("[{}]", seeds.join(", "))),
        ("raft.profile", "test".into()),
        ("worker.cores", "4".into()),
    ];
    let settings = settings.into_iter().map(|(path, value)| (path.to_owned(), value));
    let sources = Sources { settings: settings.collect(), ..Sources::default() };
    let mut config = Config::load(Role::Worker, &sources).unwrap();
    config.worker.orphan_grace = orphan_grace;
    let parts = BootParts {
        config,
        scope: TaskScope::new(),
        clock: Clock::system(),
        listeners: Listeners::default(),
    };
    let worker = run(parts).await.unwrap();
    until(|| managers.iter().all(|manager| worker.base.swim.member(manager.me.id).is_some())).await;
    worker
}

/// Waits until a condition holds.
pub(super) async fn until(condition: impl Fn() -> bool) {
    tokio::time::timeout(SOON, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("in time");
}
