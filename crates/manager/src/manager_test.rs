//! Managers as gates and workers meet them.

use std::collections::BTreeSet;
use std::time::Duration;

use muster_link::CallError;
use muster_machine::Entry;
use muster_wire::api::{Health, JobList, JobView, Page, Problem, Submitted, WorkerView};
use muster_wire::job::{CancelScope, Digest, Exit, JobStatus, WorkflowStatus};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::{CancelReply, DescribeDatacenter, Sibling, SubmitJob};
use muster_wire::rpc::worker::{ProgressRow, ReportShardProgress, ResultReply, ShardWindow};
use muster_wire::spec::ContextValue;
use muster_wire::{Attempt, NodeRef, Role, Shard, Token, WorkflowIx};

use super::testkit::*;
use crate::machine::NodeEvent;
use crate::machine::commands::NodeMembershipEvent;

const CHAIN: &str = "name = \"chain\"\n[[workflows]]\nname = \"prepare\"\ncommand = [\"prepare\"]\nreplicas = 3\n\
    [[workflows]]\nname = \"index\"\ndepends_on = [\"prepare\"]\ncommand = [\"index\", \"{{context.rows}}\"]\n";
const ONE: &str =
    "name = \"one\"\n[[workflows]]\nname = \"only\"\ncommand = [\"true\"]\nretries = 1\nbackoff = \"50ms\"\n";

fn key(workflow: u32, shard: u32, attempt: u32) -> muster_wire::job::AttemptKey {
    muster_wire::job::AttemptKey {
        workflow: WorkflowIx(workflow),
        shard: Shard(shard),
        attempt: Attempt(attempt),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_from_its_submission_to_its_purge() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let worker = FakeWorker::start("w1", 2, &[&dc[0]]).await;
    worker.lock().context.insert("rows".into(), Some(ContextValue::string("42")));
    let call = gate.submission(CHAIN);
    let reply = gate.submit(&dc[0], &call).await;
    assert_eq!((reply.manager_token, reply.manager.name.as_str()), (Token(1), "m1"));

    let end = gate.end_of(call.job).await;
    assert_eq!(end.result.status, JobStatus::Completed);
    assert_eq!(end.result.context["rows"], ContextValue::string("42"));
    assert_eq!((end.from.dc_token, end.from.manager_token), (Token(1), Token(1)));
    let index = worker.started(key(1, 0, 1)).await;
    assert_eq!(index.run.command, ["index", "42"]);
    assert_eq!(index.dispatch.token(), Token(1));
    let told: Vec<_> = gate.heard.lock().unwrap().workflows.iter().map(|told| told.result.status).collect();
    assert_eq!(told, [WorkflowStatus::Aggregated, WorkflowStatus::Aggregated]);
    assert!(gate.heard.lock().unwrap().workflows[0].result.shards.len() == 3);

    until("the job is purged", || purged(&dc[0], call.job) == Some(JobStatus::Completed)).await;
    assert!(worker.lock().forgotten.contains(&call.job));
    let again = gate.call(&dc[0], &call).await;
    assert_eq!(again, Err(CallError::Rpc(RpcError::Gone { status: JobStatus::Completed })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_submission_answers_the_state_and_older_gates_are_fenced() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let call = gate.submission(ONE);
    gate.submit(&dc[0], &call).await;
    let newer = SubmitJob { gate_token: Token(5), dc_token: Token(2), ..call.clone() };
    let reply = gate.submit(&dc[0], &newer).await;
    assert_eq!((reply.manager_token, reply.status), (Token(1), JobStatus::Queued));
    assert_eq!(gate.call(&dc[0], &call).await, Err(CallError::Rpc(RpcError::Fenced { by: Token(5) })));
    let manager = NodeRef { name: "us-m1".into(), ..gate.me.clone() };
    let sibling = Sibling { datacenter: "us".into(), manager, manager_token: Token(3), dc_token: Token(1) };
    gate.submit(&dc[0], &SubmitJob { siblings: vec![sibling], ..newer.clone() }).await;
    let what = format!("GET /v1/jobs/{}", call.job);
    let view: JobView = dc[0].ask_until(Request(&what, "", ""), 200).await;
    assert_eq!(view.siblings, [("us".to_owned(), "us-m1".to_owned())].into(), "siblings are known");
    let other = SubmitJob { digest: Digest([9; 32]), ..newer };
    assert!(matches!(gate.call(&dc[0], &other).await, Err(CallError::Rpc(RpcError::Refused { .. }))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_job_is_not_taken_under_an_expired_lease() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let mut call = gate.submission(ONE);
    call.lease_expires_ms -= 60_000;
    assert!(matches!(gate.call(&dc[0], &call).await, Err(CallError::Rpc(RpcError::Refused { .. }))));
    assert!(dc[0].manager.node.coordinator.directory().job(call.job).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_of_an_unknown_job_keeps_a_late_submission_out() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let call = gate.submission(ONE);
    let reply = gate.call(&dc[0], &gate.cancel(call.job, CancelScope::Job)).await;
    assert_eq!(reply, Ok(CancelReply::Confirmed { errors: vec![] }));
    let late = gate.call(&dc[0], &call).await;
    assert_eq!(late, Err(CallError::Rpc(RpcError::Gone { status: JobStatus::Cancelled })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_of_workflows_that_overtakes_the_submission_keeps_nothing_out() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let call = gate.submission(ONE);
    let cancel = gate.cancel(call.job, CancelScope::Workflows(vec![muster_wire::WorkflowIx(0)]));
    assert_eq!(gate.call(&dc[0], &cancel).await, Ok(CancelReply::Cancelling), "to be asked again");
    assert_eq!(gate.submit(&dc[0], &call).await.status, JobStatus::Queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_stops_what_runs_and_then_the_job_is_cancelled() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let worker = FakeWorker::start("w1", 4, &[&dc[0]]).await;
    worker.play(Play::Run);
    let call = gate.submission(CHAIN);
    gate.submit(&dc[0], &call).await;
    worker.started(key(0, 2, 1)).await;
    let reply = gate.call(&dc[0], &gate.cancel(call.job, CancelScope::Job)).await;
    // Confirmed, if the worker has stopped all before the answer is made.
    assert!(matches!(reply, Ok(CancelReply::Cancelling | CancelReply::Confirmed { .. })), "{reply:?}");
    let end = gate.end_of(call.job).await;
    assert_eq!((end.result.status, end.result.errors.len()), (JobStatus::Cancelled, 0));
    let stopped: BTreeSet<_> = worker.lock().stopped.iter().copied().collect();
    assert_eq!(stopped, [key(0, 0, 1), key(0, 1, 1), key(0, 2, 1)].into());
    until("the job is purged", || purged(&dc[0], call.job) == Some(JobStatus::Cancelled)).await;
    let again = gate.call(&dc[0], &gate.cancel(call.job, CancelScope::Job)).await;
    assert_eq!(again, Ok(CancelReply::Confirmed { errors: vec![] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_no_gate_has_acknowledged_outlives_a_short_retention() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let _worker = FakeWorker::start("w1", 2, &[&dc[0]]).await;
    gate.heard.lock().unwrap().refuse = Some(RpcError::Busy { retry_after_ms: 1 });
    let call = gate.submission(&ONE.replace("name = \"one\"", "name = \"one\"\nretention = \"1s\""));
    gate.submit(&dc[0], &call).await;
    let told_for_ms = || {
        let heard = gate.heard.lock().unwrap();
        heard.ends_at.first().zip(heard.ends_at.last()).map_or(0, |(first, last)| last - first)
    };
    until("its end is told for longer than it is kept", || told_for_ms() > 2_000).await;
    assert_eq!(purged(&dc[0], call.job), None);
    gate.heard.lock().unwrap().refuse = None;
    until("the job is purged", || purged(&dc[0], call.job) == Some(JobStatus::Completed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_is_retried_and_then_its_job_fails_with_the_reason() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let worker = FakeWorker::start("w1", 2, &[&dc[0]]).await;
    worker.play(Play::Exit(3));
    let call = gate.submission(ONE);
    gate.submit(&dc[0], &call).await;
    let end = gate.end_of(call.job).await;
    assert_eq!(end.result.status, JobStatus::Failed);
    assert!(end.result.reason.unwrap().contains("exited 3"));
    assert_eq!(worker.lock().started.iter().map(|call| call.key.attempt.0).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_context_key_fails_the_workflow_with_the_reason() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let worker = FakeWorker::start("w1", 4, &[&dc[0]]).await;
    let call = gate.submission(CHAIN);
    gate.submit(&dc[0], &call).await;
    let end = gate.end_of(call.job).await;
    assert_eq!(end.result.status, JobStatus::Failed);
    assert!(end.result.reason.unwrap().contains("context.rows"));
    assert_eq!(worker.lock().started.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_start_uses_up_nothing() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let worker = FakeWorker::start("w1", 2, &[&dc[0]]).await;
    worker.play(Play::Refuse);
    let call = gate.submission(ONE);
    gate.submit(&dc[0], &call).await;
    let coordinator = dc[0].manager.node.coordinator.clone();
    let refused = || {
        let view = coordinator.watch(call.job).map(|views| views.borrow().clone());
        let row = view.and_then(|view| view.state.record()?.row(WorkflowIx(0), Shard(0)));
        row.is_some_and(|row| row.refusals >= 2 && row.failures == 0)
    };
    until("two starts are refused", refused).await;
    worker.play(Play::Exit(0));
    assert_eq!(gate.end_of(call.job).await.result.status, JobStatus::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shard_of_a_vanished_worker_runs_elsewhere_and_its_late_result_is_stale() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let first = FakeWorker::start("w1", 1, &[&dc[0]]).await;
    first.play(Play::Run);
    let call = gate.submission(ONE);
    gate.submit(&dc[0], &call).await;
    let started = first.started(key(0, 0, 1)).await;
    let late = first.report(&started, Exit::code(0));
    first.kill().await;
    let second = FakeWorker::start("w2", 1, &[&dc[0]]).await;
    second.play(Play::Run);
    let again = second.started(key(0, 0, 2)).await;
    assert!(again.dispatch > started.dispatch);
    let reply = gate.links.call(&dc[0].rpc, &late, Duration::from_secs(5)).await;
    assert_eq!(reply, Ok(ResultReply::Stale));
    assert_eq!(second.end(&again, Exit::code(0)).await, ResultReply::Recorded);
    assert_eq!(gate.end_of(call.job).await.result.status, JobStatus::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_reaches_the_gate_and_the_job_runs() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let worker = FakeWorker::start("w1", 1, &[&dc[0]]).await;
    worker.play(Play::Run);
    let call = gate.submission(ONE);
    gate.submit(&dc[0], &call).await;
    let started = worker.started(key(0, 0, 1)).await;
    let total = muster_wire::job::StatTotal { count: 2, sum: 8.0, min: 3.0, max: 5.0 };
    let row = ProgressRow {
        key: started.key,
        sequence: 1,
        state: muster_wire::job::AttemptState::Running,
        fraction: 0.5,
        started_at_ms: 1,
        stats: Default::default(),
    };
    let window = ShardWindow {
        workflow: WorkflowIx(0),
        start_ms: 0,
        counters: [("rows".to_owned(), total)].into(),
        histograms: Default::default(),
    };
    let (job, token, worker_ref) = (call.job, started.token, worker.me.clone());
    let report = ReportShardProgress {
        job,
        token,
        worker: worker_ref,
        rows: vec![row],
        clock_ms: 1_500,
        windows: vec![window],
    };
    worker.tell_progress(&started, report).await.unwrap();
    let half = || {
        let heard = gate.heard.lock().unwrap();
        heard
            .progress
            .iter()
            .any(|told| told.status == JobStatus::Running && told.workflows[0].progress == 0.5)
    };
    until("half is told", half).await;
    let rows = || {
        let view = dc[0].manager.node.coordinator.watch(job).unwrap().borrow().clone();
        let record = view.state.record().unwrap();
        record.stats().windows(WorkflowIx(0)).map(|(_, window)| window.counters["rows"].sum).sum::<f64>()
    };
    until("the window is in the log", || rows() == 8.0).await;
    worker.end(&started, Exit::code(0)).await;
    assert_eq!(gate.end_of(job).await.result.status, JobStatus::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gang_waits_until_it_starts_as_a_whole() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let first = FakeWorker::start("w1", 2, &[&dc[0]]).await;
    let gang =
        "name = \"gang\"\n[[workflows]]\nname = \"all\"\ncommand = [\"x\"]\nreplicas = 4\ngang = true\n";
    let call = gate.submission(gang);
    gate.submit(&dc[0], &call).await;
    let second = FakeWorker::start("w2", 2, &[&dc[0]]).await;
    assert_eq!(gate.end_of(call.job).await.result.status, JobStatus::Completed);
    assert_eq!((first.lock().started.len(), second.lock().started.len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_past_its_timeout_is_stopped_and_has_timed_out() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let worker = FakeWorker::start("w1", 1, &[&dc[0]]).await;
    worker.play(Play::Run);
    let call = gate.submission(&format!("timeout = \"1s\"\n{ONE}"));
    gate.submit(&dc[0], &call).await;
    assert_eq!(gate.end_of(call.job).await.result.status, JobStatus::TimedOut);
    assert!(worker.lock().running.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_waits_for_a_gate_that_takes_it() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let _worker = FakeWorker::start("w1", 1, &[&dc[0]]).await;
    gate.heard.lock().unwrap().refuse = Some(RpcError::NotLeader { leader: None });
    let call = gate.submission(ONE);
    gate.submit(&dc[0], &call).await;
    until("the result is offered often", || gate.heard.lock().unwrap().workflows.len() > 3).await;
    assert_eq!(purged(&dc[0], call.job), None);
    gate.heard.lock().unwrap().refuse = None;
    until("the job is purged", || purged(&dc[0], call.job) == Some(JobStatus::Completed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_followed_by_one_that_adopts_what_runs() {
    let (dc, gate) = (managers(3, "").await, FakeGate::start().await);
    let worker = FakeWorker::start("w1", 4, &[&dc[0], &dc[1], &dc[2]]).await;
    worker.play(Play::Run);
    let call = gate.submission(CHAIN);
    let first = gate.submit(&dc[0], &call).await.manager;
    let started = worker.started(key(0, 2, 1)).await;
    let at = dc.iter().position(|manager| manager.rpc == first.addr).unwrap();
    dc[at].kill().await;
    until("a new leader adopts the job", || worker.lock().adopted.iter().any(|call| call.token > Token(1)))
        .await;
    let other = &dc[(at + 1) % 3];
    let leader = gate.leader_at(other, call.job).await;
    assert!(leader.token > Token(1) && leader.manager != first);
    worker.lock().context.insert("rows".into(), Some(ContextValue::string("7")));
    worker.play(Play::Exit(0));
    let running: Vec<_> = worker.lock().running.values().cloned().collect();
    assert!(running.iter().any(|call| call.key == started.key));
    for call in running {
        worker.end(&call, Exit::code(0)).await;
    }
    assert_eq!(gate.end_of(call.job).await.result.status, JobStatus::Completed);
    assert_eq!(worker.lock().started.iter().filter(|call| call.key == started.key).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_without_a_submission_becomes_void() {
    let (dc, gate) = (managers(1, "[groups]\nregister_timeout = \"1s\"").await, FakeGate::start().await);
    let call = gate.submission(ONE);
    let coordinator = dc[0].manager.node.coordinator.clone();
    let register = muster_consensus::RegisterJob {
        job: call.job,
        key: None,
        digest: call.digest,
        name: "one".into(),
        labels: Default::default(),
        proposer: coordinator.me().member,
        avoid: Vec::new(),
        replication: 1,
        retired: None,
        opening: None,
    };
    while coordinator.register(register.clone(), SOON).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until("the job is void", || purged(&dc[0], call.job) == Some(JobStatus::Void)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_datacenter_says_how_it_is() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let worker = FakeWorker::start("w1", 3, &[&dc[0]]).await;
    let coordinator = dc[0].manager.node.clone();
    until("the worker is seen", || coordinator.swim.member(worker.me.id).is_some()).await;
    until("the directory is led", || coordinator.coordinator.directory_status().leader.is_some()).await;
    let report = gate.call(&dc[0], &DescribeDatacenter {}).await.unwrap();
    assert_eq!((report.datacenter.as_str(), report.workers, report.cores_total), (DC, 1, 3));
    assert!(report.has_leader && report.managers.len() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datacenter_without_gates_takes_jobs_by_http() {
    let dc = managers(1, "").await;
    let worker = FakeWorker::start("w1", 1, &[&dc[0]]).await;
    let json = r#"{"name": "direct", "workflows": [{"name": "only", "command": ["true"]}]}"#;
    let headers = "content-type: application/json\r\nidempotency-key: k1\r\n";
    let first: Submitted = dc[0].ask_until(Request("POST /v1/jobs", headers, json), 201).await;
    let again: Submitted = dc[0].ask_until(Request("POST /v1/jobs", headers, json), 200).await;
    assert_eq!(again.id, first.id);
    let other = json.replace("direct", "other");
    let refused: Problem = dc[0].ask_until(Request("POST /v1/jobs", headers, &other), 409).await;
    assert_eq!(refused.code, "conflict");
    let faulty: Problem = dc[0].ask_until(Request("POST /v1/jobs", headers, "{}"), 422).await;
    assert!(!faulty.errors.is_empty());

    worker.started(key(0, 0, 1)).await;
    let path = format!("GET /v1/jobs/{}", first.id);
    let seen = async {
        loop {
            let view: JobView = dc[0].ask_until(Request(&path, "", ""), 200).await;
            if view.status == JobStatus::Completed {
                return view;
            }
        }
    };
    let view = tokio::time::timeout(SOON, seen).await.unwrap();
    assert_eq!((view.workflows[0].shards.succeeded, view.leader.as_deref()), (1, Some("m1")));
    let list: JobList = dc[0].ask_until(Request("GET /v1/jobs", "", ""), 200).await;
    assert_eq!(list.items[0].id, first.id);
    let workers: Page<WorkerView> = dc[0].ask_until(Request("GET /v1/workers", "", ""), 200).await;
    assert_eq!((workers.items[0].name.as_str(), workers.items[0].state.as_str()), ("w1", "active"));
    let health: Health = dc[0].ask_until(Request("GET /health", "", ""), 200).await;
    assert_eq!(health.scheduler.map(|scheduler| scheduler.dispatched), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leadership_is_handed_over_to_the_node_that_is_named() {
    let (dc, gate) = (managers(3, "").await, FakeGate::start().await);
    let worker = FakeWorker::start("w1", 1, &[&dc[0]]).await;
    worker.play(Play::Run);
    let call = gate.submission(ONE);
    let first = gate.submit(&dc[0], &call).await.manager;
    let started = worker.started(key(0, 0, 1)).await;
    let leader = dc.iter().find(|manager| manager.rpc == first.addr).unwrap();
    let other = dc.iter().find(|manager| manager.rpc != first.addr).unwrap();
    let name = other.manager.node.coordinator.me().name;
    let what = format!("POST /v1/groups/{}/transfer", call.job);
    let body = format!("{{\"to\": \"{name}\"}}");
    leader.ask_accepted(Request(&what, "content-type: application/json\r\n", &body)).await;
    until("the successor adopts the job", || {
        worker.lock().adopted.iter().any(|call| call.manager.name == name)
    })
    .await;
    let running = worker.lock().running[&started.key].clone();
    worker.end(&running, Exit::code(0)).await;
    assert_eq!(gate.end_of(call.job).await.result.status, JobStatus::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_tried_elsewhere_is_stopped_at_a_worker_that_is_back() {
    let (dc, gate) = (managers(1, "").await, FakeGate::start().await);
    let first = FakeWorker::start("w1", 1, &[&dc[0]]).await;
    first.play(Play::Run);
    let call = gate.submission(ONE);
    gate.submit(&dc[0], &call).await;
    let started = first.started(key(0, 0, 1)).await;
    let coordinator = dc[0].manager.node.coordinator.clone();
    let dead = NodeMembershipEvent { event: NodeEvent::Dead, node: first.me.clone(), role: Role::Worker };
    let entry = Entry::new(call.job, Token(1), 0).with(&dead).unwrap();
    let second = FakeWorker::start("w2", 1, &[&dc[0]]).await;
    second.play(Play::Run);
    let node = dc[0].manager.node.clone();
    until("the second worker is seen", || node.swim.member(second.me.id).is_some()).await;
    first.lock().held.insert(key(9, 9, 9), 1);
    coordinator.propose(call.job, entry, SOON).await.unwrap();
    second.started(key(0, 0, 2)).await;
    until("the first attempt is stopped", || first.lock().stopped.contains(&started.key)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_described_route_is_served_and_its_errors_are_problem_documents() {
    let dc = managers(1, "").await;
    for route in crate::http::API {
        let path = route.path.replace("{id}", "01890000-0000-7000-8000-000000000000").replace("{key}", "k");
        let what = format!("{} {path}", route.method);
        let answer = dc[0].ask(&what, "content-type: application/json\r\n", "[1]").await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status >= 400 {
            let problem: Problem =
                serde_json::from_str(body).unwrap_or_else(|error| panic!("{what}: {error}: {answer}"));
            let missing =
                ["unknown_route", "method_not_allowed", "internal"].contains(&problem.code.as_str());
            assert!(problem.status == status && !missing, "{what}: {answer}");
        }
    }
}
