//! A process that sleeps through its own replacement: what it does when it wakes is refused and counted.

use std::time::Duration;

use muster_client::{Client, Submission};
use muster_tests::cluster::Role;
use muster_tests::{Cluster, Topology, eventually};
use muster_wire::api::CancelRequest;

use crate::support::{assert_completed_once, assert_no_attempt_ran_twice, noting_job, turn};

const PAUSE: Duration = Duration::from_secs(10);
const ALL: [Role; 3] = [Role::Gate, Role::Manager, Role::Worker];

/// A process sleeps for ten seconds and wakes; the job completes once.
async fn sleep_and_wake(cluster: &mut Cluster, job: &str, name: &str) {
    tokio::time::sleep(PAUSE).await;
    cluster.resume(name).unwrap();
    let view = cluster.finished(job, Duration::from_secs(120)).await.unwrap();
    let results = cluster.client().unwrap().results(job).await.unwrap();
    assert_completed_once(&view, &results);
    assert_no_attempt_ran_twice(cluster);
}

/// What a woken process did under its old token was refused and counted.
async fn refusal_counted(cluster: &Cluster) {
    eventually("a refusal to be counted", || async {
        let fenced = cluster.metric(&ALL, "muster_fenced_total", "").await;
        if fenced > 0.0 { Ok(()) } else { Err("none".into()) }
    })
    .await
    .unwrap();
}

/// Starts a node again so that it stops itself at a step.
async fn arm(cluster: &mut Cluster, name: &str, step: &str) {
    cluster.kill(name).unwrap();
    cluster.spawn_with(name, &[("MUSTER_STOP_AT", step)]).unwrap();
    cluster.ready(name).await.unwrap();
}

fn has_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains(") T ")
}

/// Whether it still gets to submit under its old token depends on what it does first when it wakes: that such a
/// submission is refused is a claim of the managers' tests.
#[tokio::test(flavor = "multi_thread")]
async fn a_gate_leader_that_wakes_before_its_submit_answers_no_old_state() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    arm(&mut cluster, "g1", "gate.leased").await;
    let job = job_that_stops(&mut cluster, ("g1", "g1")).await;
    let sleeper = cluster.client_of(&["g1".to_owned()]).unwrap();
    let (first_answer, ()) = tokio::join!(sleeper.job(&job), sleep_and_wake(&mut cluster, &job, "g1"));
    assert!(first_answer.unwrap().token > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_leader_that_wakes_before_its_start_is_fenced() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    arm(&mut cluster, "dc1-m1", "manager.assigned").await;
    let job = job_that_stops(&mut cluster, ("dc1-m1", "g2")).await;
    sleep_and_wake(&mut cluster, &job, "dc1-m1").await;
    refusal_counted(&cluster).await;
}

/// Submits jobs at a gate, one at a time, until one makes a process stop itself: which node leads a job is not for
/// its client to choose.
async fn job_that_stops(cluster: &mut Cluster, (name, gate): (&str, &str)) -> String {
    let client = cluster.client_of(&[gate.to_owned()]).unwrap();
    let awake = cluster.client_of(&["g3".to_owned()]).unwrap();
    let pid = cluster.node(name).unwrap().pid();
    for at in 0..30 {
        let job = submit(cluster, pid, ([&client, &awake], at)).await;
        if stops_under(&format!("{job} to run or {name} to stop itself"), pid, (&awake, &job)).await {
            return job;
        }
        awake.cancel(&job, &CancelRequest::default()).await.unwrap();
    }
    panic!("no job made {name} stop itself");
}

/// A gate that stops itself over a submission does not answer it: its client repeats it at another one.
async fn submit(cluster: &Cluster, pid: i32, ([first, other], at): ([&Client; 2], u32)) -> String {
    let (body, key) = (noting_job(cluster, 3, 15).into_bytes(), Some(format!("pause-{at}")));
    let submission = Submission { body, content_type: "application/toml", key };
    let stopped = eventually("the process to stop itself", || async {
        if has_stopped(pid) { Ok(()) } else { Err("it runs".into()) }
    });
    let answer = tokio::select! {
        answer = first.submit(submission.clone()) => answer,
        seen = stopped => {
            seen.unwrap();
            other.submit(submission.clone()).await
        }
    };
    answer.unwrap().0.id.to_string()
}

/// A job's first step that shows: its shards run, or the process has stopped itself over it.
async fn stops_under(what: &str, pid: i32, (client, job): (&Client, &str)) -> bool {
    eventually(what, || async {
        let view = client.job(job).await.map_err(|error| error.to_string())?;
        let running = view.workflows.iter().any(|workflow| workflow.shards.running > 0);
        match (has_stopped(pid), running) {
            (true, _) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => Err(view.status.to_string()),
        }
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_wakes_has_its_late_results_refused() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    let job = cluster.submit(&noting_job(&cluster, 6, 6)).await.unwrap();
    cluster.running_shards(&job, 6).await.unwrap();
    cluster.pause("dc1-w1").unwrap();
    sleep_and_wake(&mut cluster, &job, "dc1-w1").await;
    refusal_counted(&cluster).await;
}
