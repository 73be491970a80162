//! Datacenters that fall silent, and tokens that outside systems have seen.

use muster_link::CallError;
use muster_wire::api::{DryRun, JobView, Problem, Submitted};
use muster_wire::job::JobStatus;
use muster_wire::rpc::RpcError;
use muster_wire::{JobId, Token};

use super::testkit::*;

const WORK: &str = "[[workflows]]\nname = \"prepare\"\ncommand = [\"true\"]\nreplicas = 2\n";

fn job(more: &str) -> String {
    format!("name = \"far\"\ndatacenters = [\"eu\", \"us\"]\n{more}\n{WORK}")
}

async fn submitted(gate: &TestGate, text: &str) -> JobId {
    let reply = gate.submit("k", text).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.json::<Submitted>().id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_datacenter_is_given_up_and_its_late_result_is_refused() {
    let (eu, us, ap) = (FakeDc::start("eu").await, FakeDc::start("us").await, FakeDc::start("ap").await);
    let gate = gates_with(1, &[&eu, &us, &ap], "dc_lost_timeout = \"2s\"\n").await.remove(0);
    let id = submitted(&gate, &job("on_dc_lost = \"failover\"")).await;
    let first = eu.submission(id, 1).await;
    eu.report_running(&first, &gate.rpc).await.unwrap();
    eu.mute(true);

    let second = us.submission(id, 1).await;
    assert!(second.dc_token > first.dc_token, "a higher datacenter token");
    let late = eu.try_report_end(&first, &gate.rpc).await;
    assert!(matches!(late, Err(CallError::Rpc(RpcError::Fenced { .. }))), "{late:?}");
    eu.mute(false);
    until(|| async { eu.told.lock().unwrap().cancelled.iter().any(|call| call.job == id) }).await;

    us.report_end(&second, &gate.rpc).await;
    gate.until_status(id, JobStatus::Completed).await;
    let view = gate.job(id).await;
    assert_eq!(view.resolution.unwrap().datacenters, ["us"]);
    assert_eq!(view.target_datacenters, ["us"]);
    assert_eq!(view.datacenters["eu"].reason.as_deref(), Some("lost"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_for_its_datacenter_is_not_moved() {
    let (eu, us, ap) = (FakeDc::start("eu").await, FakeDc::start("us").await, FakeDc::start("ap").await);
    let gate = gates_with(1, &[&eu, &us, &ap], "dc_lost_timeout = \"1s\"\n").await.remove(0);
    let id = submitted(&gate, &job("")).await;
    let call = eu.submission(id, 1).await;
    eu.mute(true);
    until(|| async { gate.node.gate.datacenters.is_silent("eu") }).await;
    let refused = gate.submit("other", &job("datacenter_count = 2")).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "no_datacenter"));
    let faults = refused.json::<Problem>().errors;
    assert!(faults.iter().any(|fault| fault.path == "datacenters.eu"), "{faults:?}");

    eu.mute(false);
    until(|| async { !gate.node.gate.datacenters.is_silent("eu") }).await;
    eu.report_end(&call, &gate.rpc).await;
    gate.until_status(id, JobStatus::Completed).await;
    assert!(us.told.lock().unwrap().submitted.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_silent_datacenters_at_once_are_taken_for_this_gates_own_network() {
    let dcs = [FakeDc::start("eu").await, FakeDc::start("us").await, FakeDc::start("ap").await];
    let [eu, us, ap] = &dcs;
    let gate = gates_with(1, &[eu, us, ap], "dc_lost_timeout = \"1s\"\n").await.remove(0);
    let text = job("on_dc_lost = \"failover\"").replace("[\"eu\", \"us\"]", "[\"eu\", \"ap\"]");
    let id = submitted(&gate, &text).await;
    let call = eu.submission(id, 1).await;
    [eu, us].iter().for_each(|dc| dc.mute(true));
    until(|| async { gate.node.gate.datacenters.is_own_network() }).await;
    eu.report_end(&call, &gate.rpc).await;
    gate.until_status(id, JobStatus::Completed).await;
    assert!(ap.told.lock().unwrap().submitted.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_where_a_job_would_run_and_why() {
    let (eu, us) = (FakeDc::start("eu").await, FakeDc::start("us").await);
    let gate = gates(1, &[&eu, &us]).await.remove(0);
    let headers = "content-type: application/toml\r\n";
    let plan = ask(gate.http, "POST /v1/jobs?dry_run=true", headers, &job("")).await.json::<DryRun>();
    assert_eq!(plan.datacenters, ["eu"]);
    let reasons: Vec<&str> = plan.placements.iter().map(|placement| placement.reason.as_str()).collect();
    assert_eq!(reasons, ["named by the job; 4 of 4 cores free"; 2]);
    let list = get(gate.http, "/v1/jobs").await;
    assert!(list.json::<muster_wire::api::JobList>().items.is_empty(), "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_job_gets_tokens_above_those_that_outside_systems_have_seen() {
    let eu = FakeDc::start("eu").await;
    let gate = gates(1, &[&eu]).await.remove(0);
    let text = format!("name = \"imported\"\n{WORK}");
    let headers = "content-type: application/toml\r\nidempotency-key: i\r\n";
    let reply = ask(gate.http, "POST /v1/jobs?fence_floor=41", headers, &text).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let id = reply.json::<Submitted>().id;
    assert_eq!(gate.job(id).await.token, 42);
    assert_eq!(eu.submission(id, 42).await.gate_token, Token(42));
    let far = ask(gate.http, "POST /v1/jobs?fence_floor=9999999", headers, &text).await;
    assert_eq!((far.status, far.code().as_str()), (400, "malformed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_restored_from_an_older_state_raises_its_token_above_what_datacenters_know() {
    let eu = FakeDc::start("eu").await;
    eu.told.lock().unwrap().gate_token = 7;
    let gate = gates(1, &[&eu]).await.remove(0);
    let id = submitted(&gate, &format!("name = \"restored\"\n{WORK}")).await;
    let call = eu.submission(id, 8).await;
    eu.report_end(&call, &gate.rpc).await;
    gate.until_status(id, JobStatus::Completed).await;
    let view: JobView = gate.job(id).await;
    assert_eq!(view.token, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datacenter_that_has_forgotten_the_job_is_asked_how_it_ended() {
    let eu = FakeDc::start("eu").await;
    let gate = gates_with(1, &[&eu], "lease = \"1s\"\n").await.remove(0);
    let id = submitted(&gate, &format!("name = \"short\"\n{WORK}")).await;
    let call = eu.submission(id, 1).await;
    eu.report_running(&call, &gate.rpc).await.unwrap();
    eu.told.lock().unwrap().remembers = Some(JobStatus::Completed);
    gate.until_status(id, JobStatus::Completed).await;
    let reason = gate.job(id).await.datacenters["eu"].reason.clone();
    assert_eq!(reason.as_deref(), Some("the datacenter remembers the job only as completed"));
    gate.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datacenter_that_takes_the_job_later_is_told_who_leads_it_in_the_others() {
    let (eu, us) = (FakeDc::start("eu").await, FakeDc::start("us").await);
    let gate = gates(1, &[&eu, &us]).await.remove(0);
    us.told.lock().unwrap().busy = true;
    let id = submitted(&gate, &job("datacenter_count = 2")).await;
    let first = eu.submission(id, 1).await;
    eu.report_running(&first, &gate.rpc).await.unwrap();
    us.told.lock().unwrap().busy = false;
    let second = us.submission(id, 1).await;
    let told: Vec<_> =
        second.siblings.iter().map(|known| (&known.datacenter[..], &known.manager.name[..])).collect();
    assert_eq!(told, [("eu", "eu-m1")]);
    gate.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_leased_by_the_entry_that_submits_it() {
    let eu = FakeDc::start("eu").await;
    eu.told.lock().unwrap().busy = true;
    let gate = gates_with(1, &[&eu], "").await.remove(0);
    let id = submitted(&gate, &job("").replace(", \"us\"", "")).await;
    let state = gate.node.gate.view(id).await.unwrap().state;
    let is_leased = state.dc("eu").is_some_and(|dc| dc.lease.is_some());
    let last = gate.node.gate.coordinator.group(id).unwrap().last_log;
    assert_eq!((is_leased, last), (true, Some(1)), "the group's members, then the submission");
}
