//! A cancel stops processes and wins against a submit that comes later.

use std::process::Command;
use std::time::Duration;

use muster_tests::process::program;
use muster_tests::{Cluster, Topology, eventually};
use muster_wire::api::CancelRequest;
use muster_wire::job::JobStatus;

use crate::support::{notes, noting_job, turn};

/// Processes whose command line holds a text.
fn processes_with(text: &str) -> Vec<String> {
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = folders.filter_map(|folder| std::fs::read_to_string(folder.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(text)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_leaves_no_child_process_and_ends_in_cancelled() {
    let _turn = turn().await;
    let cluster = Cluster::start(Topology::HA).await.unwrap();
    let job = cluster.submit(&noting_job(&cluster, 4, 300)).await.unwrap();
    cluster.running_shards(&job, 4).await.unwrap();
    let marker = crate::support::notes_file(&cluster);
    assert!(!processes_with(&marker).is_empty());
    let request = CancelRequest { reason: "test".into(), ..CancelRequest::default() };
    cluster.client().unwrap().cancel(&job, &request).await.unwrap();
    let view = cluster.finished(&job, Duration::from_secs(60)).await.unwrap();
    assert_eq!(view.status, JobStatus::Cancelled);
    eventually("no child of the job", || async {
        let left = processes_with(&marker);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await
    .unwrap();
    assert!(notes(&cluster).iter().all(|note| note[0] == "start"), "a shard ran to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_waits_for_a_cancel_until_no_process_is_left() {
    let _turn = turn().await;
    let cluster = Cluster::start(Topology::HA).await.unwrap();
    let job = cluster.submit(&noting_job(&cluster, 4, 300)).await.unwrap();
    cluster.running_shards(&job, 4).await.unwrap();
    let gate = format!("http://{}", cluster.plan("g2").unwrap().http());
    let args = ["muster", "--gate", &gate, "cancel", &job, "--wait", "--reason", "test", "-o", "json"];
    let output = Command::new(program()).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("\"cancelled\""), "{said}");
    let left = processes_with(&crate::support::notes_file(&cluster));
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_at_once_wins_over_a_submit_under_way() {
    let _turn = turn().await;
    let cluster = Cluster::start(Topology::HA).await.unwrap();
    let client = cluster.client().unwrap();
    for _ in 0..10 {
        let job = cluster.submit(&noting_job(&cluster, 2, 300)).await.unwrap();
        client.cancel(&job, &CancelRequest::default()).await.unwrap();
        let view = cluster.finished(&job, Duration::from_secs(60)).await.unwrap();
        assert_eq!(view.status, JobStatus::Cancelled);
    }
    let marker = crate::support::notes_file(&cluster);
    eventually("no child of any job", || async {
        let left = processes_with(&marker);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await
    .unwrap();
}
