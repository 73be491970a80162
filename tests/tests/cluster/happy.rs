//! A job goes client → gate → managers → workers, in one datacenter and in two.

use std::time::Duration;

use muster_tests::{Cluster, Topology};
use muster_wire::job::JobStatus;

use crate::support::{assert_completed_once, turn};

const HELLO: &str = include_str!("../../../examples/hello.toml");
const FAILS: &str = include_str!("../../../examples/fails.toml");
const FANOUT: &str = include_str!("../../../examples/fanout.toml");

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_run_through_one_node_of_each_kind() {
    let _turn = turn().await;
    let cluster = Cluster::start(Topology::SMALL).await.unwrap();
    let client = cluster.client().unwrap();

    let hello = cluster.submit(HELLO).await.unwrap();
    let job = cluster.finished(&hello, Duration::from_secs(60)).await.unwrap();
    let results = client.results(&hello).await.unwrap();
    assert_completed_once(&job, &results);
    assert_eq!(results.context["greeting"], "hello earth");
    let squares: Vec<_> = results.datacenters["dc1"].workflows["count"]
        .shards
        .iter()
        .map(|shard| shard.outputs["square"].clone())
        .collect();
    assert_eq!(squares, [0, 1, 4, 9]);

    let fails = cluster.submit(FAILS).await.unwrap();
    let job = cluster.finished(&fails, Duration::from_secs(60)).await.unwrap();
    assert_eq!(job.status, JobStatus::Failed);
    let results = client.results(&fails).await.unwrap();
    let broken = &results.datacenters["dc1"].workflows["check"].shards[1];
    assert_eq!((broken.exit_code, broken.attempt), (Some(3), 2));
    assert_eq!(results.datacenters["dc1"].workflows["publish"].status.word(), "skipped");

    let fanout = cluster.submit(FANOUT).await.unwrap();
    let job = cluster.finished(&fanout, Duration::from_secs(120)).await.unwrap();
    assert_completed_once(&job, &client.results(&fanout).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_two_datacenters_completes_in_both() {
    let _turn = turn().await;
    let topology = Topology { gates: 3, dcs: 2, managers: 3, workers: 2, cores: 4 };
    let cluster = Cluster::start(topology).await.unwrap();
    let text = HELLO.replace("name = \"hello\"", "name = \"hello\"\ndatacenter_count = 2");
    let id = cluster.submit(&text).await.unwrap();
    let job = cluster.finished(&id, Duration::from_secs(90)).await.unwrap();
    let results = cluster.client().unwrap().results(&id).await.unwrap();
    assert_completed_once(&job, &results);
    assert_eq!(results.datacenters.keys().collect::<Vec<_>>(), ["dc1", "dc2"]);
}
