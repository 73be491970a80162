//! A gate that a test plays: real links, no replicas.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use muster_link::{CallError, LinkConfig, LinkParts, Links, router};
use muster_runtime::{Clock, TaskScope};
use muster_wire::hello::{Hello, PROTOCOL};
use muster_wire::job::{CancelOrder, CancelScope, Digest};
use muster_wire::rpc::gate::{ReportJob, ReportProgress, ReportWorkflow};
use muster_wire::rpc::manager::{CancelJob, SubmitJob, SubmitReply};
use muster_wire::rpc::worker::{FindJobLeader, JobLeader};
use muster_wire::rpc::{Ack, Call, RpcError};
use muster_wire::{Generation, JobId, MemberNumber, NodeId, NodeRef, Role, Token};
use tokio::net::TcpListener;

use super::{SOON, TestManager, job_id, until};

/// What the played gate was told.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) progress: Vec<ReportProgress>,
    pub(crate) workflows: Vec<ReportWorkflow>,
    pub(crate) jobs: Vec<ReportJob>,
    /// When each of these came, ms since 1970.
    pub(crate) ends_at: Vec<u64>,
    /// Answers nothing but this.
    pub(crate) refuse: Option<RpcError>,
}

/// A gate that a test plays.
#[derive(Clone)]
pub(crate) struct FakeGate {
    pub(crate) links: Links,
    pub(crate) me: NodeRef,
    pub(crate) heard: Arc<Mutex<Heard>>,
    _scope: TaskScope,
}

impl Heard {
    /// The results of workflows within are heard like those that come by themselves.
    fn job(&mut self, call: ReportJob) {
        self.ends_at.push(Clock::system().unix_ms());
        for told in call.results.clone() {
            let (workflow, result) = (told.workflow, told.result);
            self.workflows.push(ReportWorkflow { from: call.from.clone(), workflow, result });
        }
        self.jobs.push(call);
    }
}

impl FakeGate {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, scope) = (listener.local_addr().unwrap().to_string(), TaskScope::new());
        let (id, generation, member) = (NodeId(77), Generation(1), MemberNumber(1));
        let me = NodeRef { id, generation, member, name: "g1".into(), addr: addr.clone() };
        let hello = Hello {
            protocol: PROTOCOL,
            cluster_name: "muster".into(),
            cluster: None,
            node: id,
            member,
            generation,
            role: Role::Gate,
            datacenter: "gates".into(),
            name: "g1".into(),
            rpc: addr,
            feature: 1,
        };
        let parts = LinkParts { listener, hello, scope: scope.clone(), clock: Clock::system() };
        let links = Links::start(LinkConfig::default(), parts);
        let gate = Self { links, me, heard: Arc::default(), _scope: scope };
        gate.serve();
        gate
    }

    fn serve(&self) {
        let [progress, workflow, job] = std::array::from_fn(|_| self.clone());
        let service = router()
            .on::<ReportProgress, _, _>(move |_, call| {
                std::future::ready(progress.hear(|heard| heard.progress.push(call)))
            })
            .on::<ReportWorkflow, _, _>(move |_, call| {
                std::future::ready(workflow.hear(|heard| heard.workflows.push(call)))
            })
            .on::<ReportJob, _, _>(move |_, call| std::future::ready(job.hear(|heard| heard.job(call))));
        self.links.serve(service.build());
    }

    fn hear(&self, note: impl FnOnce(&mut Heard)) -> Result<Ack, RpcError> {
        let mut heard = self.heard.lock().unwrap();
        note(&mut heard);
        heard.refuse.clone().map_or(Ok(Ack {}), Err)
    }

    pub(crate) async fn call<C: Call>(&self, to: &TestManager, call: &C) -> Result<C::Reply, CallError> {
        self.links.call(&to.rpc, call, Duration::from_secs(10)).await
    }

    /// Submits until it is taken.
    pub(crate) async fn submit(&self, to: &TestManager, call: &SubmitJob) -> SubmitReply {
        self.answered(to, call).await
    }

    /// Asks again while a manager does not know yet who has taken a job over, as workers do.
    pub(crate) async fn leader_at(&self, at: &TestManager, job: JobId) -> JobLeader {
        self.answered(at, &FindJobLeader { job }).await
    }

    /// Repeats a call until it is answered; a refusal for good is a failure.
    async fn answered<C: Call>(&self, at: &TestManager, call: &C) -> C::Reply {
        let answered = async {
            loop {
                match self.call(at, call).await {
                    Ok(reply) => return reply,
                    Err(CallError::Rpc(error @ (RpcError::Refused { .. } | RpcError::Malformed(_)))) => {
                        panic!("{error}")
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(SOON, answered).await.unwrap()
    }

    pub(crate) fn submission(&self, text: &str) -> SubmitJob {
        SubmitJob {
            job: job_id(),
            digest: Digest([3; 32]),
            spec: muster_spec::parse(text, muster_spec::Format::Toml).unwrap(),
            gate: self.me.clone(),
            gate_token: Token(1),
            dc_token: Token(1),
            lease_expires_ms: Clock::system().unix_ms() + 30_000,
            forwarded: false,
            siblings: Vec::new(),
        }
    }

    /// The end of a job as it was told.
    pub(crate) async fn end_of(&self, job: JobId) -> ReportJob {
        let found = || self.heard.lock().unwrap().jobs.iter().find(|told| told.from.job == job).cloned();
        until("the job's end is told", || found().is_some()).await;
        found().unwrap()
    }

    pub(crate) fn cancel(&self, job: JobId, scope: CancelScope) -> CancelJob {
        let order = CancelOrder {
            scope,
            reason: "not needed".into(),
            requester: "tester".into(),
            grace_ms: Some(100),
            deadline_ms: Clock::system().unix_ms() + 60_000,
        };
        CancelJob { job, gate_token: Token(1), order, forwarded: false }
    }
}
