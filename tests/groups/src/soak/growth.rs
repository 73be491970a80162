//! Members come and go.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

use super::writers::Writers;
use crate::calls::{AskReplicas, Drain, Remove};
use crate::cluster::Cluster;

const JOBS: usize = 16;
const LONG: Duration = Duration::from_secs(90);

/// 1 → 3 → 5 → 3 members; jobs made at each size keep what was acknowledged.
pub(super) async fn grow_and_shrink(mut cluster: Cluster) -> anyhow::Result<String> {
    let mut generations = vec![written(&cluster).await?];
    for _ in 0..2 {
        cluster.join().await?;
        cluster.join().await?;
        generations.push(written(&cluster).await?);
    }
    for at in [4, 3] {
        remove(&mut cluster, at).await?;
        generations.push(written(&cluster).await?);
    }
    let checks = generations.iter().map(|writers| writers.check(&cluster));
    let texts = futures_util::future::try_join_all(checks).await?;
    Ok(format!("1, 3, 5, 4 and 3 members; at last: {}", texts.last().map_or("", String::as_str)))
}

/// Jobs that were written to for a while.
async fn written(cluster: &Cluster) -> anyhow::Result<Writers> {
    let writers = Writers::new(cluster, JOBS).await?;
    let nodes = cluster.running();
    tokio::join!(writers.run(cluster, &nodes), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        writers.stop();
    });
    Ok(writers)
}

/// Drained, stopped, removed.
async fn remove(cluster: &mut Cluster, at: usize) -> anyhow::Result<()> {
    let member = cluster.state(at).await?.me;
    cluster.call(at, &Drain {}).await?;
    let end = Instant::now() + LONG;
    while cluster.state(at).await?.replicas > 0 {
        anyhow::ensure!(Instant::now() < end, "node {at} is not drained in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    cluster.stop(at).await?;
    cluster.call(0, &Remove { member }).await?;
    Ok(())
}

/// A node is lost for good; a fresh one takes its place in every group.
pub(super) async fn replaced(mut cluster: Cluster) -> anyhow::Result<String> {
    let writers = written(&cluster).await?;
    let lost = cluster.state(2).await?.me;
    cluster.kill(2).await?;
    let fresh = cluster.join().await?;
    let fresh = cluster.state(fresh).await?.me;
    let begun = Instant::now();
    for job in writers.jobs() {
        loop {
            let replicas = cluster.call(0, &AskReplicas { job: *job }).await?;
            if replicas.contains(&fresh) && !replicas.contains(&lost) {
                break;
            }
            anyhow::ensure!(begun.elapsed() < LONG, "{job} is held by {replicas:?}, not by {fresh}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let text = writers.check(&cluster).await.context("after the replacement")?;
    Ok(format!("{JOBS} groups on the fresh node after {took:.1} s; {text}"))
}
