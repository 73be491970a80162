//! Nothing is left behind: no task, no process, no map entry.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use muster_tests::cluster::Role;
use muster_tests::{Cluster, Topology, eventually};
use nix::sys::signal::Signal;

use crate::support::{noting_job, turn};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_any_node_within_five_seconds_while_a_job_runs() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(Topology::HA).await.unwrap();
    let job = cluster.submit(&noting_job(&cluster, 4, 60)).await.unwrap();
    cluster.running_shards(&job, 4).await.unwrap();
    for name in ["g1", "dc1-m1", "dc1-w1"] {
        let node = cluster.node(name).unwrap();
        node.signal(Signal::SIGTERM).unwrap();
        let status = node.exit(Duration::from_secs(5)).await.unwrap();
        assert!(status.success(), "{name}: {status}\n{}", cluster.tail(name));
        assert!(!cluster.tail(name).contains("tasks still running"), "{}", cluster.tail(name));
    }
}

const SHORT: &str = "name='short'\nretention='1s'\n[[workflows]]\nname='a'\ncommand=['true']\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_short_jobs_leave_no_group_behind() {
    let _turn = turn().await;
    let mut cluster =
        Cluster::prepare(Topology { gates: 1, dcs: 1, managers: 1, workers: 1, cores: 16 }).unwrap();
    cluster.set("limits.submissions", "0");
    cluster.start_all().await.unwrap();
    let cluster = &cluster;
    let roles = [Role::Gate, Role::Manager];
    let seen = cluster.submit(&noting_job(cluster, 1, 5)).await.unwrap();
    eventually("the gauge to count a group", || async {
        let groups = cluster.metric(&roles, "muster_groups", "").await;
        if groups > 0.0 { Ok(()) } else { Err("none".into()) }
    })
    .await
    .unwrap();
    cluster.finished(&seen, Duration::from_secs(60)).await.unwrap();
    cluster.client().unwrap().delete(&seen).await.unwrap();
    stream::iter(0..1000)
        .for_each_concurrent(16, |_| async move { drop(cluster.submit(SHORT).await.unwrap()) })
        .await;
    let mut ask = || async {
        let groups = cluster.metric(&roles, "muster_groups", "").await;
        if groups == 0.0 { Ok(()) } else { Err(format!("{groups} groups")) }
    };
    muster_tests::wait::within(Duration::from_secs(300), "every group to be gone", &mut ask).await.unwrap();
    eventually("the same on disk", || async {
        let folders = ["g1", "dc1-m1"].map(|name| cluster.data_dir(name).join("snapshots"));
        let left: usize =
            folders.iter().map(|folder| std::fs::read_dir(folder).map_or(0, Iterator::count)).sum();
        // The directory's own snapshot may stay.
        if left <= 2 { Ok(()) } else { Err(format!("{left} snapshot folders")) }
    })
    .await
    .unwrap();
}
