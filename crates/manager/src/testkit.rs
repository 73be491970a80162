//! Managers on loopback, with workers and a gate that a test plays.

mod gate;

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use muster_link::{CallError, router};
use muster_node::config::Sources;
use muster_node::{Base, BootParts, Config, Listeners};
use muster_runtime::{Clock, TaskScope};
use muster_wire::job::{AttemptKey, AttemptState, Exit, JobStatus};
use muster_wire::rpc::Ack;
use muster_wire::rpc::worker::{
    AdoptJob, ForgetJob, HeldAttempts, ReleaseReservation, ReportShardProgress, ReportShardResult,
    Reservation, Reserve, ResultReply, StartReply, StartShard, StopReply, StopShards,
};
use muster_wire::spec::ContextValue;
use muster_wire::{JobId, MemberNumber, NodeRef, Role};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) use gate::FakeGate;

use crate::ManagerNode;

pub(crate) const SOON: Duration = Duration::from_secs(60);
pub(crate) const DC: &str = "eu";

pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let held = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, held).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A loopback address of its own: a port that is free there is not taken by another test or an outgoing connection.
fn own_loopback() -> String {
    let part = || 1 + muster_runtime::random::below(253);
    format!("127.{}.{}.{}:0", part(), part(), part())
}

/// A place for one process: its listeners, and a UDP port that was free.
struct Place {
    name: String,
    http: TcpListener,
    rpc: TcpListener,
    swim: SocketAddr,
    dir: tempfile::TempDir,
}

impl Place {
    async fn new(name: &str) -> Self {
        let swim = UdpSocket::bind(own_loopback()).unwrap().local_addr().unwrap();
        let listener = || TcpListener::bind("127.0.0.1:0");
        let (http, rpc) = (listener().await.unwrap(), listener().await.unwrap());
        Self { name: name.into(), http, rpc, swim, dir: tempfile::tempdir().unwrap() }
    }

    fn member(&self) -> String {
        let rpc = self.rpc.local_addr().unwrap();
        format!("{{ name = \"{}\", rpc = \"{rpc}\", swim = \"{}\" }}", self.name, self.swim)
    }

    fn parts(self, role: Role, more: &str) -> (BootParts, tempfile::TempDir) {
        let (dir, swim) = (self.dir.path().display(), self.swim);
        let text = format!(
            "[node]\nname = \"{}\"\ndata_dir = \"{dir}\"\ndatacenter = \"{DC}\"\n[listen]\nswim = \"{swim}\"\n\
             [raft]\nprofile = \"test\"\n{more}\n",
            self.name
        );
        let config = Config::load(role, &Sources { text: Some(text), ..Sources::default() }).unwrap();
        let listeners = Listeners { http: Some(self.http), rpc: Some(self.rpc) };
        (BootParts { config, scope: TaskScope::new(), clock: Clock::system(), listeners }, self.dir)
    }
}

/// One manager of a datacenter.
pub(crate) struct TestManager {
    pub(crate) manager: ManagerNode,
    pub(crate) rpc: String,
    pub(crate) http: SocketAddr,
    pub(crate) swim: SocketAddr,
    scope: TaskScope,
    _dir: tempfile::TempDir,
}

impl TestManager {
    /// Asks until the answer has this status.
    pub(crate) async fn ask_until<T: DeserializeOwned>(&self, request: Request<'_>, status: u16) -> T {
        let Request(what, headers, body) = request;
        let answered = async {
            loop {
                let answer = self.ask(what, headers, body).await;
                let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
                if head.split(' ').nth(1) == Some(&status.to_string()) {
                    return serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(SOON, answered).await.unwrap_or_else(|_| panic!("{what}: never {status}"))
    }

    /// Asks until it is accepted.
    pub(crate) async fn ask_accepted(&self, Request(what, headers, body): Request<'_>) {
        let accepted = async {
            while !self.ask(what, headers, body).await.starts_with("HTTP/1.0 202") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(SOON, accepted).await.unwrap_or_else(|_| panic!("{what}: never accepted"));
    }

    /// One request, by HTTP/1.0 so that the answer comes in one piece.
    pub(crate) async fn ask(&self, what: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        let length = body.len();
        let head = format!("{what} HTTP/1.0\r\nhost: test\r\ncontent-length: {length}\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Ends it without a word.
    pub(crate) async fn kill(&self) {
        // What is late is dropped with the test.
        let _late = self.scope.shutdown(Duration::from_secs(5)).await;
    }
}

/// Method and path, headers, body.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a>(pub(crate) &'a str, pub(crate) &'a str, pub(crate) &'a str);

/// A datacenter of so many managers; `more` goes into each configuration.
pub(crate) async fn managers(count: usize, more: &str) -> Vec<TestManager> {
    let mut places = Vec::new();
    for number in 1..=count {
        places.push(Place::new(&format!("m{number}")).await);
    }
    let members: Vec<String> = places.iter().map(Place::member).collect();
    let more = format!("{more}\n[cluster]\ninitial_members = [{}]", members.join(", "));
    let started = places.into_iter().map(|place| start_manager(place, more.clone()));
    futures_util::future::join_all(started).await
}

async fn start_manager(place: Place, more: String) -> TestManager {
    let (rpc, swim) = (place.rpc.local_addr().unwrap().to_string(), place.swim);
    let http = place.http.local_addr().unwrap();
    let (parts, dir) = place.parts(Role::Manager, &more);
    let scope = parts.scope.clone();
    let manager = tokio::time::timeout(SOON, ManagerNode::start(parts)).await.unwrap().unwrap();
    TestManager { manager, rpc, http, swim, scope, _dir: dir }
}

/// What a played worker does with a shard that it starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Play {
    /// Ends at once with this exit code.
    Exit(i32),
    /// Runs until told otherwise.
    Run,
    /// Would not start it.
    Refuse,
}

/// What a played worker was told, and how it plays.
pub(crate) struct Played {
    pub(crate) cores: u32,
    pub(crate) play: Play,
    pub(crate) held: BTreeMap<AttemptKey, u32>,
    pub(crate) started: Vec<StartShard>,
    pub(crate) running: BTreeMap<AttemptKey, StartShard>,
    pub(crate) adopted: Vec<AdoptJob>,
    pub(crate) stopped: Vec<AttemptKey>,
    pub(crate) forgotten: Vec<JobId>,
    pub(crate) replies: Vec<Result<ResultReply, CallError>>,
    pub(crate) context: BTreeMap<String, Option<ContextValue>>,
}

impl Played {
    fn refuses(&self, key: AttemptKey) -> bool {
        !self.held.contains_key(&key) || self.play == Play::Refuse
    }
}

/// A worker that a test plays: real membership and links, no processes.
#[derive(Clone)]
pub(crate) struct FakeWorker {
    pub(crate) base: Base,
    pub(crate) state: Arc<Mutex<Played>>,
    pub(crate) me: NodeRef,
    _dir: Arc<tempfile::TempDir>,
}

impl FakeWorker {
    pub(crate) async fn start(name: &str, cores: u32, join: &[&TestManager]) -> Self {
        let seeds: Vec<String> = join.iter().map(|manager| format!("\"{}\"", manager.swim)).collect();
        let more = format!("[cluster]\njoin = [{}]\n[worker]\ncores = {cores}", seeds.join(", "));
        let (parts, dir) = Place::new(name).await.parts(Role::Worker, &more);
        let base = Base::start(parts).await.unwrap();
        let me = NodeRef {
            id: base.identity.node,
            generation: base.identity.generation,
            member: MemberNumber(0),
            name: name.into(),
            addr: base.rpc_advertised.clone(),
        };
        let played = Played {
            cores,
            play: Play::Exit(0),
            held: BTreeMap::new(),
            started: Vec::new(),
            running: BTreeMap::new(),
            adopted: Vec::new(),
            stopped: Vec::new(),
            forgotten: Vec::new(),
            replies: Vec::new(),
            context: BTreeMap::new(),
        };
        let worker = Self { base, state: Arc::new(Mutex::new(played)), me, _dir: Arc::new(dir) };
        worker.serve();
        worker
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Played> {
        self.state.lock().unwrap()
    }

    pub(crate) fn play(&self, play: Play) {
        self.lock().play = play;
    }

    fn serve(&self) {
        let [reserve, release, start, stop, adopt, forget] = std::array::from_fn(|_| self.clone());
        let service = router()
            .on::<Reserve, _, _>(move |_, call| std::future::ready(Ok(reserve.reserve(&call))))
            .on::<ReleaseReservation, _, _>(move |_, call| std::future::ready(Ok(release.release(&call))))
            .on::<StartShard, _, _>(move |_, call| std::future::ready(Ok(start.start_shard(call))))
            .on::<StopShards, _, _>(move |_, call| std::future::ready(Ok(stop.stop(call))))
            .on::<AdoptJob, _, _>(move |_, call| std::future::ready(Ok(adopt.adopt(call))))
            .on::<ForgetJob, _, _>(move |_, call| std::future::ready(Ok(forget.forget(&call))));
        self.base.links.serve(service.build());
    }

    fn reserve(&self, call: &Reserve) -> Reservation {
        let mut state = self.lock();
        let used: u32 = state.held.values().sum();
        let free = state.cores.saturating_sub(used);
        if free < call.cores {
            return Reservation::Full { cores_free: free };
        }
        state.held.insert(call.key, call.cores);
        Reservation::Held { generation: self.me.generation, hold_ms: 10_000 }
    }

    fn release(&self, call: &ReleaseReservation) -> Ack {
        self.lock().held.remove(&call.key);
        Ack {}
    }

    fn start_shard(&self, call: StartShard) -> StartReply {
        let mut state = self.lock();
        if state.running.contains_key(&call.key) {
            return StartReply::Started { state: AttemptState::Running };
        }
        if state.refuses(call.key) {
            state.held.remove(&call.key);
            return StartReply::Refused { why: "no reservation".into() };
        }
        state.started.push(call.clone());
        state.running.insert(call.key, call.clone());
        if let Play::Exit(code) = state.play {
            self.spawn_end(call, Exit::code(code));
        }
        StartReply::Started { state: AttemptState::Running }
    }

    fn spawn_end(&self, call: StartShard, exit: Exit) {
        let worker = self.clone();
        let kind = muster_runtime::TaskKind::new("played_shard");
        self.base.scope.spawn_until_stop(kind, async move {
            worker.end(&call, exit).await;
        });
    }

    /// Reports the end of an attempt until it is acknowledged.
    pub(crate) async fn end(&self, call: &StartShard, exit: Exit) -> ResultReply {
        let report = self.report(call, exit);
        loop {
            let answer = self.base.links.call(&call.manager.addr, &report, Duration::from_secs(5)).await;
            self.lock().replies.push(answer.clone());
            if let Ok(reply) = answer {
                self.drop_attempt(call.key);
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn report(&self, call: &StartShard, exit: Exit) -> ReportShardResult {
        ReportShardResult {
            job: call.job,
            token: call.token,
            dispatch: call.dispatch,
            worker: self.me.clone(),
            key: call.key,
            exit,
            outputs: BTreeMap::new(),
            context: self.lock().context.clone(),
            stats: BTreeMap::new(),
            started_at_ms: 1,
            finished_at_ms: 2,
            forwarded: false,
        }
    }

    fn drop_attempt(&self, key: AttemptKey) {
        let mut state = self.lock();
        state.held.remove(&key);
        state.running.remove(&key);
    }

    fn stop(&self, call: StopShards) -> StopReply {
        let mut state = self.lock();
        for key in &call.keys {
            state.held.remove(key);
            state.running.remove(key);
        }
        state.stopped.extend(&call.keys);
        StopReply { stopped: call.keys, stopping: Vec::new() }
    }

    fn adopt(&self, call: AdoptJob) -> HeldAttempts {
        let mut state = self.lock();
        for running in state.running.values_mut() {
            running.manager = call.manager.clone();
            running.token = call.token;
        }
        let held = state.running.keys().map(|key| (*key, AttemptState::Running)).collect();
        state.adopted.push(call);
        HeldAttempts { attempts: held }
    }

    fn forget(&self, call: &ForgetJob) -> Ack {
        self.lock().forgotten.push(call.job);
        Ack {}
    }

    pub(crate) async fn tell_progress(
        &self,
        call: &StartShard,
        report: ReportShardProgress,
    ) -> Result<Ack, CallError> {
        self.base.links.call(&call.manager.addr, &report, Duration::from_secs(5)).await
    }

    /// The first start with this key, once there is one.
    pub(crate) async fn started(&self, key: AttemptKey) -> StartShard {
        let found = || self.lock().started.iter().find(|call| call.key == key).cloned();
        until(&format!("{key:?} is started"), || found().is_some()).await;
        found().unwrap()
    }

    /// Ends it without a word.
    pub(crate) async fn kill(&self) {
        // What is late is dropped with the test.
        let _late = self.base.scope.shutdown(Duration::from_secs(5)).await;
    }
}

pub(crate) fn job_id() -> JobId {
    JobId::new(Clock::system().unix_ms(), muster_runtime::random::bits128())
}

/// Is the job purged, and how did it end?
pub(crate) fn purged(manager: &TestManager, job: JobId) -> Option<JobStatus> {
    let directory = manager.manager.node.coordinator.directory();
    directory.tombstone(job).map(|tombstone| tombstone.status)
}
