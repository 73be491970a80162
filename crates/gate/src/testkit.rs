//! Gates on loopback with a datacenter that a test plays, and a small HTTP client.

mod http;

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use muster_link::{LinkConfig, LinkParts, Links, router};
use muster_node::config::Sources;
use muster_node::{BootParts, Config, Listeners};
use muster_runtime::{Clock, TaskScope};
use muster_wire::hello::{Hello, PROTOCOL};
use muster_wire::job::{
    DcResult, Exit, JobStatus, ShardCounts, ShardResult, WorkflowResult, WorkflowStatus, WorkflowSummary,
};
use muster_wire::rpc::gate::{ReportJob, ReportProgress, ReportWorkflow, Reporter};
use muster_wire::rpc::manager::{
    CancelJob, CancelReply, DatacenterReport, DescribeDatacenter, ExplainJob, Explained, LogChunk,
    ReadJobLog, SubmitJob, SubmitReply,
};
use muster_wire::rpc::{Ack, RpcError};
use muster_wire::{
    Attempt, Generation, JobId, MemberNumber, NodeId, NodeRef, Role, Shard, Token, WorkflowIx,
};
use tokio::net::TcpListener;

pub(crate) use http::{Reply, ask, exchange, get};

use crate::GateNode;

pub(crate) const SOON: Duration = Duration::from_secs(40);

pub(crate) async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let held = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, held).await.unwrap();
}

/// What the played datacenter was told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) submitted: Vec<SubmitJob>,
    pub(crate) cancelled: Vec<CancelJob>,
    pub(crate) refuse: Option<String>,
    /// It gives no answer that says anything: cut off, as far as a gate can tell.
    pub(crate) mute: bool,
    /// It takes no submission for now.
    pub(crate) busy: bool,
    /// It has purged every job and remembers this of each.
    pub(crate) remembers: Option<JobStatus>,
    /// It has heard of this gate token.
    pub(crate) gate_token: u64,
}

/// A datacenter that a test plays: one manager.
#[derive(Clone)]
pub(crate) struct FakeDc {
    pub(crate) name: String,
    pub(crate) addr: String,
    pub(crate) told: Arc<Mutex<Told>>,
    links: Links,
    scope: TaskScope,
    me: NodeRef,
}

impl FakeDc {
    pub(crate) async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, scope) = (listener.local_addr().unwrap().to_string(), TaskScope::new());
        let id = NodeId(u128::from(name.as_bytes()[0]));
        let (generation, member) = (Generation(1), MemberNumber(1));
        let me = NodeRef { id, generation, member, name: format!("{name}-m1"), addr: addr.clone() };
        let hello = Hello {
            protocol: PROTOCOL,
            cluster_name: "muster".into(),
            cluster: None,
            node: id,
            member,
            generation,
            role: Role::Manager,
            datacenter: name.into(),
            name: me.name.clone(),
            rpc: addr.clone(),
            feature: 1,
        };
        let parts = LinkParts { listener, hello, scope: scope.clone(), clock: Clock::system() };
        let links = Links::start(LinkConfig::default(), parts);
        let dc = Self { name: name.into(), addr, told: Arc::default(), links, scope, me };
        dc.serve();
        dc
    }

    fn serve(&self) {
        let [describe, submit, cancel, explain] = std::array::from_fn(|_| self.clone());
        let service = router()
            .on::<DescribeDatacenter, _, _>(move |_, _| {
                std::future::ready(describe.heard().map(|()| describe.describe()))
            })
            .on::<SubmitJob, _, _>(move |_, call| std::future::ready(submit.submit(call)))
            .on::<CancelJob, _, _>(move |_, call| {
                std::future::ready(cancel.heard().map(|()| cancel.cancel(call)))
            })
            .on::<ExplainJob, _, _>(move |_, _| std::future::ready(explain.explain()))
            .on::<ReadJobLog, _, _>(|_, call| std::future::ready(Ok(log(&call))));
        self.links.serve(service.build());
    }

    fn describe(&self) -> DatacenterReport {
        DatacenterReport {
            datacenter: self.name.clone(),
            managers: vec![self.me.clone()],
            workers: 1,
            cores_total: 4,
            cores_used: 0,
            has_leader: true,
            queued: 0,
        }
    }

    fn explain(&self) -> Result<Explained, RpcError> {
        self.heard()?;
        match self.told.lock().unwrap().remembers {
            Some(status) => Err(RpcError::Gone { status }),
            None => Ok(Explained::default()),
        }
    }

    fn heard(&self) -> Result<(), RpcError> {
        match self.told.lock().unwrap().mute {
            true => Err(RpcError::NotServing),
            false => Ok(()),
        }
    }

    pub(crate) fn mute(&self, mute: bool) {
        self.told.lock().unwrap().mute = mute;
    }

    fn submit(&self, call: SubmitJob) -> Result<SubmitReply, RpcError> {
        self.heard()?;
        let mut told = self.told.lock().unwrap();
        if told.busy {
            return Err(RpcError::Busy { retry_after_ms: 50 });
        }
        if call.gate_token.0 < told.gate_token {
            return Err(RpcError::Fenced { by: Token(told.gate_token) });
        }
        told.gate_token = call.gate_token.0;
        told.submitted.push(call);
        match &told.refuse {
            Some(why) => Err(RpcError::Refused { why: why.clone() }),
            None => Ok(SubmitReply {
                manager: self.me.clone(),
                manager_token: Token(1),
                status: JobStatus::Queued,
            }),
        }
    }

    fn cancel(&self, call: CancelJob) -> CancelReply {
        let mut told = self.told.lock().unwrap();
        told.cancelled.push(call);
        match told.cancelled.len() {
            1 => CancelReply::Cancelling,
            _ => CancelReply::Confirmed { errors: vec!["one attempt was not confirmed".into()] },
        }
    }

    /// The newest submission of a job, once there is one under this gate token.
    pub(crate) async fn submission(&self, job: JobId, gate_token: u64) -> SubmitJob {
        let found = || {
            let told = self.told.lock().unwrap();
            let mut calls = told.submitted.iter().rev();
            calls.find(|call| call.job == job && call.gate_token == Token(gate_token)).cloned()
        };
        until(|| async { found().is_some() }).await;
        found().unwrap()
    }

    fn reporter(&self, call: &SubmitJob) -> Reporter {
        Reporter {
            job: call.job,
            datacenter: self.name.clone(),
            dc_token: call.dc_token,
            manager: self.me.clone(),
            manager_token: Token(1),
            forwarded: false,
        }
    }

    pub(crate) async fn report_running(
        &self,
        call: &SubmitJob,
        to: &str,
    ) -> Result<Ack, muster_link::CallError> {
        let workflows = vec![summary(WorkflowStatus::Running, 0)];
        let report = ReportProgress { from: self.reporter(call), status: JobStatus::Running, workflows };
        self.links.call(to, &report, SOON).await
    }

    pub(crate) async fn report_end(&self, call: &SubmitJob, to: &str) {
        self.try_report_end(call, to).await.unwrap();
    }

    pub(crate) async fn try_report_end(
        &self,
        call: &SubmitJob,
        to: &str,
    ) -> Result<Ack, muster_link::CallError> {
        let from = self.reporter(call);
        let result = workflow_result();
        let report = ReportWorkflow { from: from.clone(), workflow: WorkflowIx(0), result };
        self.links.call(to, &report, SOON).await?;
        let (status, context) = (JobStatus::Completed, call.spec.context.clone());
        let result = DcResult {
            status,
            reason: None,
            context,
            errors: vec![],
            stats: Default::default(),
            context_version: 0,
        };
        let workflows = vec![summary(WorkflowStatus::Completed, 2)];
        self.links.call(to, &ReportJob { from, workflows, result, results: Vec::new() }, SOON).await
    }

    pub(crate) async fn stop(&self) {
        self.scope.shutdown(SOON).await.unwrap();
    }
}

fn log(call: &ReadJobLog) -> LogChunk {
    let text = format!("one\nshard {} of workflow {}\n", call.shard, call.workflow);
    let offset = call.offset.unwrap_or(0);
    let bytes = text.as_bytes().get(offset as usize..).unwrap_or_default().to_vec();
    LogChunk { offset, bytes, finished: true, truncated: false }
}

fn summary(status: WorkflowStatus, succeeded: u32) -> WorkflowSummary {
    WorkflowSummary {
        workflow: WorkflowIx(0),
        status,
        shards: ShardCounts { total: 2, running: 2 - succeeded, succeeded, ..ShardCounts::default() },
        attempts: 2,
        progress: f64::from(succeeded) / 2.0,
        error: None,
        started_at_ms: Some(1_795_000_000_000),
        finished_at_ms: None,
    }
}

fn workflow_result() -> WorkflowResult {
    let shard = |shard| ShardResult {
        shard: Shard(shard),
        attempt: Attempt(1),
        worker: "w1".into(),
        exit: Exit::code(0),
        outputs: [("rows".to_owned(), muster_wire::spec::serde_json_text::JsonText("7".into()))].into(),
        started_at_ms: 1_795_000_000_000,
        finished_at_ms: 1_795_000_001_000,
    };
    WorkflowResult {
        status: WorkflowStatus::Completed,
        error: None,
        shards: vec![shard(0), shard(1)],
        stats: Default::default(),
        started_at_ms: None,
        finished_at_ms: None,
    }
}

/// A running gate and where it listens.
pub(crate) struct TestGate {
    pub(crate) node: GateNode,
    pub(crate) http: SocketAddr,
    pub(crate) rpc: String,
    _dir: tempfile::TempDir,
}

/// A loopback address of its own: a port that is free there is not taken by another test or an outgoing connection.
fn own_loopback() -> String {
    let part = || 1 + muster_runtime::random::below(253);
    format!("127.{}.{}.{}:0", part(), part(), part())
}

struct Place {
    name: String,
    http: TcpListener,
    rpc: TcpListener,
    swim: SocketAddr,
    dir: tempfile::TempDir,
}

impl Place {
    async fn new(name: String) -> Self {
        let swim = UdpSocket::bind(own_loopback()).unwrap().local_addr().unwrap();
        let listener = || TcpListener::bind("127.0.0.1:0");
        let (http, rpc) = (listener().await.unwrap(), listener().await.unwrap());
        Self { name, http, rpc, swim, dir: tempfile::tempdir().unwrap() }
    }

    fn member(&self) -> String {
        let rpc = self.rpc.local_addr().unwrap();
        format!("{{ name = \"{}\", rpc = \"{rpc}\", swim = \"{}\" }}", self.name, self.swim)
    }

    async fn start(self, members: &str, datacenters: &str, (keys, more): (&str, &str)) -> TestGate {
        let dir = self.dir.path().display();
        let text = format!(
            "[node]\nname = \"{}\"\ndata_dir = \"{dir}\"\n[listen]\nswim = \"{}\"\n[raft]\nprofile = \"test\"\n\
             [cluster]\ninitial_members = [{members}]\n{keys}[gate]\ndatacenters = {{ {datacenters} }}\n{more}",
            self.name, self.swim
        );
        let config = Config::load(Role::Gate, &Sources { text: Some(text), ..Sources::default() }).unwrap();
        let (http, rpc) = (self.http.local_addr().unwrap(), self.rpc.local_addr().unwrap().to_string());
        let listeners = Listeners { http: Some(self.http), rpc: Some(self.rpc) };
        let parts = BootParts { config, scope: TaskScope::new(), clock: Clock::system(), listeners };
        let node = tokio::time::timeout(SOON, crate::run(parts)).await.unwrap().unwrap();
        TestGate { node, http, rpc, _dir: self.dir }
    }
}

/// So many gates with these datacenters, founded.
pub(crate) async fn gates(count: usize, datacenters: &[&FakeDc]) -> Vec<TestGate> {
    gates_with(count, datacenters, "").await
}

/// The same, with more keys of `[cluster]`.
pub(crate) async fn gates_with_cluster(count: usize, datacenters: &[&FakeDc], keys: &str) -> Vec<TestGate> {
    start_gates(count, datacenters, (keys, "")).await
}

/// The same, with more sections.
pub(crate) async fn gates_with(count: usize, datacenters: &[&FakeDc], more: &str) -> Vec<TestGate> {
    start_gates(count, datacenters, ("", more)).await
}

async fn start_gates(count: usize, datacenters: &[&FakeDc], more: (&str, &str)) -> Vec<TestGate> {
    let mut places = Vec::new();
    for number in 1..=count {
        places.push(Place::new(format!("g{number}")).await);
    }
    let members: Vec<String> = places.iter().map(Place::member).collect();
    let members = members.join(", ");
    let seeds: Vec<String> =
        datacenters.iter().map(|dc| format!("{} = [\"{}\"]", dc.name, dc.addr)).collect();
    let seeds = seeds.join(", ");
    let starting = places.into_iter().map(|place| place.start(&members, &seeds, more));
    futures_util::future::join_all(starting).await
}

impl TestGate {
    pub(crate) async fn submit(&self, key: &str, body: &str) -> Reply {
        let headers = format!("content-type: application/toml\r\nidempotency-key: {key}\r\n");
        ask(self.http, "POST /v1/jobs", &headers, body).await
    }

    pub(crate) async fn job(&self, job: JobId) -> muster_wire::api::JobView {
        get(self.http, &format!("/v1/jobs/{job}")).await.json()
    }

    pub(crate) async fn until_status(&self, job: JobId, status: JobStatus) {
        until(|| async { self.job(job).await.status == status }).await;
    }

    pub(crate) async fn stop(self) {
        self.node.shutdown(SOON).await.unwrap();
    }
}
