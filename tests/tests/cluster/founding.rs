//! A cluster is founded once.

use muster_tests::{Cluster, Topology, eventually};

use crate::support::turn;

const GATES: Topology = Topology { gates: 3, dcs: 0, managers: 0, workers: 0, cores: 0 };

async fn waits_for(cluster: &Cluster, name: &str, text: &str) {
    eventually(&format!("{name} to say `{text}`"), || async {
        let url = format!("http://{}/readyz?verbose", cluster.plan(name).unwrap().http());
        let said = match reqwest::get(url).await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        let said = said + &cluster.tail(name);
        if said.contains(text) { Ok(()) } else { Err(said) }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_node_waits_for_the_missing_ones_and_says_for_whom() {
    let _turn = turn().await;
    let mut cluster = Cluster::prepare(GATES).unwrap();
    cluster.spawn("g1").unwrap();
    cluster.spawn("g2").unwrap();
    waits_for(&cluster, "g1", "g3").await;
    waits_for(&cluster, "g2", "g3").await;
    cluster.start_all().await.unwrap();
    cluster.ready("g1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wiped_nodes_neither_found_a_second_cluster_nor_take_their_old_numbers() {
    let _turn = turn().await;
    let mut cluster = Cluster::start(GATES).await.unwrap();
    for name in ["g2", "g3"] {
        cluster.kill(name).unwrap();
        std::fs::remove_dir_all(cluster.data_dir(name)).unwrap();
    }
    for name in ["g2", "g3"] {
        cluster.spawn(name).unwrap();
    }
    for name in ["g2", "g3"] {
        waits_for(&cluster, name, &format!("muster node remove {name}")).await;
    }
}
