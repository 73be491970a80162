//! Gates without a quorum under a storm of clients: they refuse in words, stay small, and recover.

use std::time::Duration;

use futures_util::future::join_all;
use muster_client::{ClientOptions, Submission};
use muster_tests::cluster::Role;
use muster_tests::{Cluster, Topology, eventually};
use muster_wire::api::Problem;
use reqwest::{Client, RequestBuilder, Response};

use crate::support::turn;

const JOB: &str = "name = 'storm'\n[[workflows]]\nname = 'a'\ncommand = ['true']\n";
/// Clients that ask at the same time.
const CLIENTS: usize = 200;
/// On a busy machine all of them may need so long once the quorum is back.
const RECOVERY: Duration = Duration::from_secs(180);
/// What the gate may grow by in the storm, KiB.
const GROWTH_KB_MAX: u64 = 200 * 1024;

fn resident_kb(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn submission(client: &Client, gate: &str, number: usize) -> RequestBuilder {
    let request = client.post(format!("http://{gate}/v1/jobs")).header("content-type", "application/toml");
    request.header("idempotency-key", format!("storm-{number}")).body(JOB)
}

/// The answer is a typed refusal that says when to come again.
async fn refused(answer: Response) -> String {
    let (status, after) = (answer.status().as_u16(), answer.headers().get("retry-after").cloned());
    let text = answer.text().await.unwrap();
    let problem: Problem =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {status} {text}"));
    assert!([429, 503].contains(&status) && problem.retryable, "{status} {text}");
    let seconds = after.and_then(|after| after.to_str().ok()?.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| (1..=60).contains(&seconds)), "{text}");
    problem.code
}

/// Everybody asks at once, and everybody is refused in words.
async fn storm(client: &Client, gate: &str) {
    let storm = (0..CLIENTS).map(|number| submission(client, gate, number).send());
    for answer in join_all(storm).await {
        let code = refused(answer.unwrap()).await;
        assert!(["no_quorum", "no_leader", "busy"].contains(&code.as_str()), "{code}");
    }
}

/// Reads are refused in words as well, unless they take what is there.
async fn reads(client: &Client, job: &str) {
    assert_ne!(refused(client.get(job).send().await.unwrap()).await, "busy");
    let stale = client.get(format!("{job}?consistency=stale")).send().await.unwrap();
    assert!(stale.status().is_success(), "what is here can be read");
}

/// The same clients with the same keys, until each is accepted: their jobs.
async fn accepted(cluster: &Cluster) -> Vec<String> {
    let gates = ["g1", "g2", "g3"].map(|name| format!("http://{}", cluster.plan(name).unwrap().http()));
    let options = ClientOptions { gates: gates.into(), token: None, deadline: RECOVERY };
    let patient = muster_client::Client::new(options).unwrap();
    let storm = (0..CLIENTS).map(|number| {
        let patient = &patient;
        async move {
            let key = Some(format!("storm-{number}"));
            let submission = Submission { body: JOB.into(), content_type: "application/toml", key };
            patient.submit(submission).await.unwrap().0.id.to_string()
        }
    });
    join_all(storm).await
}

async fn start() -> Cluster {
    let topology = Topology { gates: 3, dcs: 1, managers: 1, workers: 1, cores: 8 };
    let mut cluster = Cluster::prepare(topology).unwrap();
    cluster.set("limits.submissions", "0");
    cluster.start_all().await.unwrap();
    cluster
}

async fn nothing_in_flight(cluster: &Cluster) -> Result<(), String> {
    let open = cluster.metric(&[Role::Gate], "muster_proposals_in_flight", "").await;
    if open == 0.0 { Ok(()) } else { Err(format!("{open} in flight")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_without_a_quorum_refuse_a_storm_in_words_stay_small_and_recover() {
    let _turn = turn().await;
    let mut cluster = start().await;
    let before = cluster.submit(JOB).await.unwrap();
    cluster.finished(&before, Duration::from_secs(60)).await.unwrap();
    let (gate, pid) = (cluster.plan("g1").unwrap().http(), cluster.node("g1").unwrap().pid());
    let small_kb = resident_kb(pid);
    ["g2", "g3"].into_iter().for_each(|name| cluster.kill(name).unwrap());

    let client = Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
    for _ in 0..2 {
        storm(&client, &gate).await;
        reads(&client, &format!("http://{gate}/v1/jobs/{before}")).await;
        cluster.get("g1", "/livez").await.unwrap();
        let grown_kb = resident_kb(pid).saturating_sub(small_kb);
        assert!(grown_kb < GROWTH_KB_MAX, "grew by {grown_kb} KiB");
    }

    cluster.start_all().await.unwrap();
    let jobs = accepted(&cluster).await;
    for number in [0, CLIENTS / 2, CLIENTS - 1] {
        let again = submission(&client, &cluster.plan("g3").unwrap().http(), number).send().await.unwrap();
        let text = again.text().await.unwrap();
        assert!(text.contains(&jobs[number]), "one key, one job: {}: {text}", jobs[number]);
    }
    cluster.finished(&jobs[CLIENTS - 1], RECOVERY).await.unwrap();
    eventually("every submission to be let go", || nothing_in_flight(&cluster)).await.unwrap();
}
