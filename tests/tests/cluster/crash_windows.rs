//! The process that takes a step dies right after it. A retry at the same gate, at another gate, or none at all ends with
//! one job or none, never with a dead key.

use std::time::Duration;

use muster_client::{Client, ClientOptions, Submission};
use muster_tests::cluster::Role;
use muster_tests::{Cluster, Topology, eventually};
use muster_wire::job::JobStatus;

use crate::support::turn;

/// Steps of a job's life at a gate, in order, and whether the client has its answer by then.
const GATE_POINTS: [(&str, bool); 5] = [
    ("gate.registered", false),
    ("gate.accepted", false),
    ("gate.leased", true),
    ("gate.submitted", true),
    ("gate.dc_known", true),
];
/// Steps at a manager.
const MANAGER_POINTS: [&str; 5] =
    ["manager.registered", "manager.created", "manager.reserved", "manager.assigned", "manager.started"];

const JOB: &str = "name='window'\n[[workflows]]\nname='a'\ncommand=['true']\n";

fn submission(key: &str) -> Submission {
    Submission { body: JOB.into(), content_type: "application/toml", key: Some(key.into()) }
}

/// A client that asks once and does not wait for long.
fn hasty(cluster: &Cluster, gate: &str) -> Client {
    let gates = vec![format!("http://{}", cluster.plan(gate).unwrap().http())];
    Client::new(ClientOptions { gates, token: None, deadline: Duration::from_millis(1) }).unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Retry {
    SameGate,
    OtherGate,
    None,
}

async fn gate_window(cluster: &mut Cluster, point: &str, acknowledged: bool, retry: Retry) {
    let key = format!("{point}-{retry:?}");
    cluster.kill("g1").unwrap();
    cluster.spawn_with("g1", &[("MUSTER_CRASH_AT", point)]).unwrap();
    cluster.ready("g1").await.unwrap();
    let _answer = hasty(cluster, "g1").submit(submission(&key)).await;
    cluster
        .node("g1")
        .unwrap()
        .exit(Duration::from_secs(30))
        .await
        .unwrap_or_else(|error| panic!("{point}: {error}"));
    cluster.kill("g1").unwrap();
    if retry == Retry::SameGate {
        cluster.spawn("g1").unwrap();
        cluster.ready("g1").await.unwrap();
    }
    let gate = if retry == Retry::OtherGate { "g2" } else { "g1" };
    if retry != Retry::None {
        let client = cluster.client_of(&[gate.to_owned()]).unwrap();
        let (submitted, _) = client.submit(submission(&key)).await.unwrap();
        let view = cluster.finished(&submitted.id.to_string(), Duration::from_secs(60)).await.unwrap();
        assert_eq!(view.status, JobStatus::Completed, "{point} {retry:?}");
    }
    cluster.start_all().await.unwrap();
    one_job_or_none(cluster, acknowledged || point == "gate.accepted", retry).await;
}

/// After the window every job of the cluster has ended, and there is no group that nobody will end.
async fn one_job_or_none(cluster: &Cluster, must_exist: bool, retry: Retry) {
    let client = cluster.client().unwrap();
    eventually("every job to have ended", || async {
        let list =
            client.jobs(muster_client::ListQuery::default()).await.map_err(|error| error.to_string())?;
        let open: Vec<_> = list.items.iter().filter(|item| !item.status.is_terminal()).collect();
        let enough = !list.items.is_empty() || !(must_exist || retry != Retry::None);
        if open.is_empty() && enough { Ok(()) } else { Err(format!("{open:?}")) }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_dies_after_any_step_leaves_one_job_or_none() {
    let _turn = turn().await;
    let mut cluster = Cluster::prepare(Topology::HA).unwrap();
    cluster.set("groups.register_timeout", "5s");
    cluster.start_all().await.unwrap();
    for (point, acknowledged) in GATE_POINTS {
        for retry in [Retry::SameGate, Retry::OtherGate, Retry::None] {
            gate_window(&mut cluster, point, acknowledged, retry).await;
        }
    }
    let roles = [Role::Gate, Role::Manager];
    assert!(cluster.metric(&roles, "muster_task_panics_total", "").await == 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_dies_after_any_step_delays_the_job_and_no_more() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    for point in MANAGER_POINTS {
        for manager in cluster.names(Role::Manager) {
            cluster.kill(&manager).unwrap();
            cluster.spawn_with(&manager, &[("MUSTER_CRASH_AT", point)]).unwrap();
            cluster.ready(&manager).await.unwrap();
        }
        let job = cluster.submit(JOB).await.unwrap();
        let died = first_death(&mut cluster).await;
        cluster.kill(&died).unwrap();
        for manager in cluster.names(Role::Manager) {
            let _gone = cluster.kill(&manager);
            cluster.spawn(&manager).unwrap();
        }
        cluster.start_all().await.unwrap();
        let view = cluster.finished(&job, Duration::from_secs(90)).await.unwrap();
        assert_eq!(view.status, JobStatus::Completed, "{point}");
    }
}

async fn first_death(cluster: &mut Cluster) -> String {
    for _ in 0..600 {
        for manager in cluster.names(Role::Manager) {
            if cluster.node(&manager).unwrap().exit(Duration::ZERO).await.is_ok() {
                return manager;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no manager reached its crash point");
}
