//! A process that sleeps through its own replacement: what it does when it wakes is refused and counted.

use std::time::Duration;

use muster_tests::cluster::Role;
use muster_tests::{Cluster, Topology};

use crate::support::{assert_completed_once, assert_no_attempt_ran_twice, noting_job, turn};

const PAUSE: Duration = Duration::from_secs(10);
const ALL: [Role; 3] = [Role::Gate, Role::Manager, Role::Worker];

/// Pauses a node for ten seconds in the middle of a job; the job completes once and nothing stale was accepted.
async fn pause(cluster: &mut Cluster, job: &str, name: &str) {
    cluster.pause(name).unwrap();
    tokio::time::sleep(PAUSE).await;
    cluster.resume(name).unwrap();
    let view = cluster.finished(job, Duration::from_secs(120)).await.unwrap();
    let results = cluster.client().unwrap().results(job).await.unwrap();
    assert_completed_once(&view, &results);
    assert_no_attempt_ran_twice(cluster);
    let fenced = cluster.metric(&ALL, "muster_fenced_total", "").await;
    println!("{name}: {fenced} refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_leader_that_wakes_is_fenced() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    let job = cluster.submit(&noting_job(&cluster, 3, 18)).await.unwrap();
    cluster.running_shards(&job, 3).await.unwrap();
    let token = cluster.client().unwrap().job(&job).await.unwrap().token;
    let leader = cluster.leader(Role::Gate, &job).await.unwrap();
    pause(&mut cluster, &job, &leader).await;
    assert!(cluster.client().unwrap().job(&job).await.unwrap().token > token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_leader_that_wakes_is_fenced() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    let job = cluster.submit(&noting_job(&cluster, 3, 18)).await.unwrap();
    cluster.running_shards(&job, 3).await.unwrap();
    let leader = cluster.leader(Role::Manager, &job).await.unwrap();
    pause(&mut cluster, &job, &leader).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_wakes_has_its_late_results_refused() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    let job = cluster.submit(&noting_job(&cluster, 6, 6)).await.unwrap();
    cluster.running_shards(&job, 6).await.unwrap();
    pause(&mut cluster, &job, "dc1-w1").await;
    assert!(
        cluster.metric(&ALL, "muster_fenced_total", "").await > 0.0,
        "nothing was fenced, so nothing was shown"
    );
}
