//! Any one process dies by `kill -9`; then all at once.

use std::time::Duration;

use muster_tests::cluster::Role;
use muster_tests::{Cluster, Topology};
use muster_wire::api::JobEvent;

use crate::support::{assert_completed_once, assert_no_attempt_ran_twice, noting_job, turn};

const PATIENCE: Duration = Duration::from_secs(120);

/// Follows a job at one gate from its first event to its end.
async fn watch(cluster: &Cluster, gate: &str, job: &str) -> tokio::task::JoinHandle<Vec<JobEvent>> {
    let mut events = cluster.client_of(&[gate.to_owned()]).unwrap().events(job, None, PATIENCE);
    #[allow(clippy::disallowed_methods, reason = "the test joins it")]
    tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(event) = events.next().await.unwrap() {
            seen.push(event);
        }
        seen
    })
}

fn assert_no_gap_no_repeat(events: &[JobEvent]) {
    let versions: Vec<u64> = events.iter().map(|event| event.version).collect();
    let wanted: Vec<u64> = (1..=versions.len() as u64).collect();
    assert_eq!(versions, wanted, "{events:#?}");
}

async fn finish(cluster: &Cluster, job: &str) {
    let view = cluster.finished(job, PATIENCE).await.unwrap();
    let results = cluster.client().unwrap().results(job).await.unwrap();
    assert_completed_once(&view, &results);
    assert_no_attempt_ran_twice(cluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_survives_the_death_of_its_gate_leader_and_watch_goes_on_at_another_gate() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    let job = cluster.submit(&noting_job(&cluster, 3, 8)).await.unwrap();
    cluster.running_shards(&job, 3).await.unwrap();
    let leader = cluster.leader(Role::Gate, &job).await.unwrap();
    let other = cluster.names(Role::Gate).into_iter().find(|name| *name != leader).unwrap();
    let watching = watch(&cluster, &other, &job).await;
    cluster.kill(&leader).unwrap();
    finish(&cluster, &job).await;
    assert_no_gap_no_repeat(&watching.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_survives_the_death_of_its_manager_leader() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    let job = cluster.submit(&noting_job(&cluster, 3, 8)).await.unwrap();
    cluster.running_shards(&job, 3).await.unwrap();
    let leader = cluster.leader(Role::Manager, &job).await.unwrap();
    cluster.kill(&leader).unwrap();
    finish(&cluster, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_survives_the_death_of_a_worker_with_running_shards() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    let job = cluster.submit(&noting_job(&cluster, 6, 8)).await.unwrap();
    cluster.running_shards(&job, 6).await.unwrap();
    cluster.kill("dc1-w1").unwrap();
    finish(&cluster, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_job_is_there_after_all_gates_and_managers_died_at_once() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    let mut jobs = vec![cluster.submit(&noting_job(&cluster, 3, 15)).await.unwrap()];
    for _ in 0..5 {
        jobs.push(cluster.submit("name='small'\n[[workflows]]\nname='a'\ncommand=['true']\n").await.unwrap());
    }
    cluster.running_shards(&jobs[0], 3).await.unwrap();
    cluster.kill_all(&[Role::Gate, Role::Manager]).unwrap();
    cluster.start_all().await.unwrap();
    for job in &jobs {
        finish(&cluster, job).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_may_come_back_with_other_ports() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    let job = cluster.submit(&noting_job(&cluster, 2, 10)).await.unwrap();
    cluster.running_shards(&job, 2).await.unwrap();
    cluster.kill_all(&[Role::Gate, Role::Manager, Role::Worker]).unwrap();
    cluster.change_ports().unwrap();
    cluster.start_all().await.unwrap();
    finish(&cluster, &job).await;
}
