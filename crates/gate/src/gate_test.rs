//! Gates as clients and managers meet them.

use std::time::Duration;

use muster_wire::api::{
    Cancelled, DryRun, EventKind, JobEvent, JobList, JobResults, JobView, Page, Submitted,
};
use muster_wire::job::{JobStatus, WorkflowStatus};

use muster_consensus::RegisterJob;
use muster_wire::JobId;
use muster_wire::job::Digest;
use sha2::{Digest as _, Sha256};

use super::testkit::*;

const JOB: &str = "name = \"nightly\"\ndatacenters = [\"eu\"]\nlabels = { team = \"search\" }\n[context]\nregion = \"eu\"\n\
    [[workflows]]\nname = \"prepare\"\ncommand = [\"true\"]\nreplicas = 2\n";

async fn accepted(gate: &TestGate, key: &str) -> Submitted {
    let reply = gate.submit(key, JOB).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let submitted: Submitted = reply.json();
    assert_eq!(reply.header("location"), Some(submitted.url.as_str()));
    submitted
}

fn events(text: &str) -> Vec<JobEvent> {
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_accepted_once_handed_over_followed_and_answered_for() {
    let dc = FakeDc::start("eu").await;
    let gate = gates(1, &[&dc]).await.remove(0);
    let job = accepted(&gate, "k1").await.id;

    let again = gate.submit("k1", JOB).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(again.json::<Submitted>().id, job);
    let other = gate.submit("k1", &JOB.replace("nightly", "weekly")).await;
    assert_eq!((other.status, other.code().as_str()), (409, "conflict"));

    let call = dc.submission(job, 1).await;
    assert_eq!((call.gate_token.0, call.dc_token.0), (1, 1));
    dc.report_running(&call, &gate.rpc).await.unwrap();
    gate.until_status(job, JobStatus::Running).await;
    let path = format!("/v1/jobs/{job}/events");
    let stream = get(gate.http, &path);
    let (stream, ()) = tokio::join!(stream, dc.report_end(&call, &gate.rpc));
    let seen = events(&stream.body);
    assert!(seen.iter().map(|event| event.version).eq(1..=seen.len() as u64), "{}", stream.body);
    assert_eq!(
        seen.last().map(|event| (event.kind, event.status)),
        Some((EventKind::End, JobStatus::Completed))
    );
    let resumed = ask(gate.http, &format!("GET /v1/jobs/{job}/events"), "last-event-id: 3\r\n", "").await;
    assert_eq!(events(&resumed.body).first().map(|event| event.version), Some(4));

    let view = gate.job(job).await;
    assert_eq!(
        (view.status, view.progress, view.workflows[0].shards.succeeded),
        (JobStatus::Completed, 1.0, 2)
    );
    assert_eq!(view.resolution.unwrap().datacenters, ["eu"]);
    let results: JobResults = get(gate.http, &format!("/v1/jobs/{job}/results")).await.json();
    let shard = &results.datacenters["eu"].workflows["prepare"].shards[1];
    assert_eq!((shard.exit_code, &shard.outputs["rows"]), (Some(0), &serde_json::json!(7)));
    assert_eq!(results.context["region"], "eu");
    let logs = get(gate.http, &format!("/v1/jobs/{job}/logs?workflow=prepare&shard=1&tail=1")).await;
    assert_eq!(logs.body, "shard 1 of workflow 0\n");

    let prefix = &job.to_string()[..23];
    assert_eq!(get(gate.http, &format!("/v1/jobs/{prefix}")).await.json::<JobView>().id, job);
    until(|| async {
        let list: JobList = get(gate.http, "/v1/jobs?status=completed&label=team=search").await.json();
        list.items.iter().any(|item| item.id == job)
    })
    .await;
    assert_eq!(ask(gate.http, &format!("DELETE /v1/jobs/{job}"), "", "").await.status, 204);
    until(|| async { get(gate.http, &format!("/v1/jobs/{job}")).await.status == 404 }).await;
    let purged = gate.submit("k1", JOB).await;
    assert_eq!((purged.status, purged.json::<Submitted>().status), (200, JobStatus::Completed));
    gate.stop().await;
    dc.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_is_carried_to_the_datacenter_until_it_confirms() {
    let dc = FakeDc::start("eu").await;
    let gate = gates(1, &[&dc]).await.remove(0);
    let job = accepted(&gate, "k1").await.id;
    let call = dc.submission(job, 1).await;
    dc.report_running(&call, &gate.rpc).await.unwrap();
    let body = r#"{"reason": "no need"}"#;
    let reply = ask(gate.http, &format!("POST /v1/jobs/{job}/cancel"), "", body).await;
    assert_eq!((reply.status, reply.json::<Cancelled>().status), (202, JobStatus::Cancelling));
    gate.until_status(job, JobStatus::Cancelled).await;
    assert_eq!(dc.told.lock().unwrap().cancelled[0].order.reason, "no need");
    let view = gate.job(job).await;
    assert_eq!(view.errors, ["one attempt was not confirmed"]);
    let ends = (view.datacenters["eu"].status, view.workflows[0].status, view.workflows[0].shards.running);
    assert_eq!(ends, (JobStatus::Cancelled, WorkflowStatus::Cancelled, 0), "nothing is said to run any more");
    let again = ask(gate.http, &format!("POST /v1/jobs/{job}/cancel"), "", "").await;
    assert_eq!((again.status, again.code().as_str()), (409, "already_terminal"));
    gate.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_job_goes_to_the_datacenter_that_stands_by_and_fails_where_none_does() {
    let (first, second) = (FakeDc::start("ap").await, FakeDc::start("eu").await);
    first.told.lock().unwrap().refuse = Some("not here".into());
    let gate = gates(1, &[&first, &second]).await.remove(0);
    let body = JOB.replace("[\"eu\"]", "[\"ap\", \"eu\"]");
    let job = gate.submit("k1", &body).await.json::<Submitted>().id;
    second.submission(job, 1).await;
    assert_eq!(gate.job(job).await.target_datacenters, ["eu"]);
    let alone = gate.submit("k2", &JOB.replace("[\"eu\"]", "[\"ap\"]")).await.json::<Submitted>().id;
    gate.until_status(alone, JobStatus::Failed).await;
    assert_eq!(gate.job(alone).await.errors, ["ap refused: not here"]);
    gate.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_for_a_submission_that_does_not_pass() {
    let dc = FakeDc::start("eu").await;
    let gate = gates(1, &[&dc]).await.remove(0);
    let invalid = gate.submit("k1", "name = \"a b\"\nfoo = 1\n").await;
    assert_eq!((invalid.status, invalid.code().as_str()), (422, "invalid_spec"));
    assert!(invalid.json::<muster_wire::api::Problem>().errors.len() > 1, "{}", invalid.body);
    let unknown = gate.submit("k1", &JOB.replace("[\"eu\"]", "[\"mars\"]")).await;
    assert_eq!(unknown.json::<muster_wire::api::Problem>().errors[0].path, "datacenters[0]");
    let kind = ask(gate.http, "POST /v1/jobs", "content-type: image/png\r\n", "x").await;
    assert_eq!((kind.status, kind.code().as_str()), (415, "unsupported_media_type"));
    let large =
        ask(gate.http, "POST /v1/jobs", "content-type: application/json\r\n", &" ".repeat(4_200_000)).await;
    assert_eq!((large.status, large.code().as_str()), (413, "too_large"));
    let dry = ask(gate.http, "POST /v1/jobs?dry_run=true", "content-type: application/toml\r\n", JOB).await;
    assert_eq!(dry.json::<DryRun>().shards, 2);
    assert_eq!(get(gate.http, "/v1/jobs").await.json::<JobList>().items, []);
    assert_eq!(get(gate.http, "/v1/jobs/0199").await.code(), "unknown_job");
    assert_eq!(get(gate.http, "/v1/jobs/zz").await.code(), "malformed");
    let list: Page<muster_wire::api::DatacenterView> = get(gate.http, "/v1/datacenters").await.json();
    assert_eq!(list.items[0].id, "eu");
    gate.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_leading_gate_dies_another_renews_the_lease_and_ends_the_job() {
    let dc = FakeDc::start("eu").await;
    let mut gates = gates(3, &[&dc]).await;
    let job = accepted(&gates[0], "k1").await.id;
    let first = dc.submission(job, 1).await;
    assert_eq!(first.gate.name, "g1");
    dc.report_running(&first, &gates[1].rpc).await.unwrap();
    gates[2].until_status(job, JobStatus::Running).await;
    let dead = gates.remove(0);
    dead.node.node.scope.cancel();
    let second = dc.submission(job, 2).await;
    assert_eq!((second.dc_token.0, second.gate.name == "g1"), (2, false));
    assert!(dc.report_running(&first, &gates[0].rpc).await.is_err(), "the older lease is fenced");
    dc.report_end(&second, &gates[1].rpc).await;
    gates[0].until_status(job, JobStatus::Completed).await;
    let replayed = gates[1].submit("k1", JOB).await;
    assert_eq!((replayed.status, replayed.json::<Submitted>().id), (200, job));
    for gate in gates {
        gate.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_stops_hands_its_job_to_the_successor_that_it_names() {
    let dc = FakeDc::start("eu").await;
    let mut gates = gates(3, &[&dc]).await;
    let job = accepted(&gates[0], "k1").await.id;
    dc.submission(job, 1).await;
    gates.remove(0).stop().await;
    let second = dc.submission(job, 2).await;
    dc.report_end(&second, &gates[0].rpc).await;
    gates[1].until_status(job, JobStatus::Completed).await;
    let wait = format!("/v1/jobs/{job}?wait=1s&version=1&consistency=stale");
    assert!(get(gates[1].http, &wait).await.json::<JobView>().age_ms.is_some());
    tokio::time::timeout(
        Duration::from_secs(60),
        futures_util::future::join_all(gates.into_iter().map(TestGate::stop)),
    )
    .await
    .unwrap();
}

/// What a gate leaves behind that dies between the registration and the bundle.
async fn registered_only(gate: &TestGate, key: &str) -> JobId {
    let call = RegisterJob {
        job: JobId::new(gate.node.node.clock.unix_ms(), 7),
        key: Some(key.into()),
        digest: Digest(Sha256::digest(JOB).into()),
        name: "nightly".into(),
        labels: Default::default(),
        proposer: gate.node.node.coordinator.me().member,
        avoid: vec![],
        replication: 3,
        retired: None,
        opening: None,
    };
    gate.node.node.coordinator.register(call.clone(), SOON).await.unwrap();
    call.job
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_gate_died_before_the_submission_is_submitted_at_another() {
    let dc = FakeDc::start("eu").await;
    let mut gates = gates(3, &[&dc]).await;
    let job = registered_only(&gates[0], "k1").await;
    gates.remove(0).node.node.scope.cancel();
    let submitted = accepted(&gates[0], "k1").await;
    assert_eq!(submitted.id, job);
    let call = dc.submission(job, 1).await;
    let body = r#"{"workflows": ["prepare"]}"#;
    let reply = ask(gates[1].http, &format!("POST /v1/jobs/{job}/cancel"), "", body).await;
    assert!(!reply.json::<Cancelled>().status.is_terminal());
    until(|| async { dc.told.lock().unwrap().cancelled.len() > 1 }).await;
    dc.report_end(&call, &gates[1].rpc).await;
    gates[0].until_status(job, JobStatus::Completed).await;
    for gate in gates {
        gate.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_nobody_submitted_to_is_free_again_after_its_time() {
    let dc = FakeDc::start("eu").await;
    let gate = gates_with(1, &[&dc], "[groups]\nregister_timeout = \"1s\"\n").await.remove(0);
    let void = registered_only(&gate, "k1").await;
    until(|| async { get(gate.http, &format!("/v1/groups/{void}")).await.status == 404 }).await;
    assert_ne!(accepted(&gate, "k1").await.id, void);
    assert_eq!(get(gate.http, &format!("/v1/jobs/{void}")).await.code(), "unknown_job");
    gate.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_job_is_purged_after_its_retention_at_every_gate() {
    let dc = FakeDc::start("eu").await;
    let gates = gates(3, &[&dc]).await;
    let body = JOB.replace("datacenters", "retention = \"1s\"\ndatacenters");
    let job = gates[0].submit("k1", &body).await.json::<Submitted>().id;
    let call = dc.submission(job, 1).await;
    dc.report_end(&call, &gates[1].rpc).await;
    until(|| async { get(gates[2].http, &format!("/v1/jobs/{job}")).await.status == 404 }).await;
    dc.report_end(&call, &gates[2].rpc).await;
    let replayed = gates[2].submit("k1", &body).await;
    assert_eq!((replayed.status, replayed.json::<Submitted>().status), (200, JobStatus::Completed));
    for gate in gates {
        gate.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_without_a_replica_answers_like_any_other() {
    let dc = FakeDc::start("eu").await;
    let config = "replication = 1\n";
    let gates = gates_with_cluster(3, &[&dc], config).await;
    let job = accepted(&gates[0], "k1").await.id;
    let call = dc.submission(job, 1).await;
    assert!(gates[1].node.node.coordinator.watch(job).is_none());
    dc.report_running(&call, &gates[1].rpc).await.unwrap();
    gates[2].until_status(job, JobStatus::Running).await;
    let path = format!("/v1/jobs/{job}/events");
    let stream = get(gates[2].http, &path);
    let (stream, ()) = tokio::join!(stream, dc.report_end(&call, &gates[1].rpc));
    let seen = events(&stream.body);
    assert!(seen.iter().map(|event| event.version).eq(1..=seen.len() as u64), "{}", stream.body);
    assert_eq!(seen.last().map(|event| event.kind), Some(EventKind::End));
    assert_eq!(get(gates[0].http, &path).await.body, stream.body, "the same at every gate");
    assert_eq!(ask(gates[1].http, &format!("DELETE /v1/jobs/{job}"), "", "").await.status, 204);
    for gate in gates {
        gate.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn finished_jobs_make_room_before_a_submission_is_refused() {
    let dc = FakeDc::start("eu").await;
    let gate = gates_with(1, &[&dc], "[groups]\nmax = 10\n").await.remove(0);
    let mut first = None;
    for number in 0..9 {
        let job = accepted(&gate, &format!("k{number}")).await.id;
        dc.report_end(&dc.submission(job, 1).await, &gate.rpc).await;
        first.get_or_insert(job);
    }
    let oldest = first.unwrap();
    until(|| async { get(gate.http, &format!("/v1/jobs/{oldest}")).await.status == 404 }).await;
    accepted(&gate, "another").await;
    gate.stop().await;
}
