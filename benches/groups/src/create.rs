//! Creating replicated groups.

use muster_groups::calls::PutAt;
use muster_groups::cluster::{Cluster, new_job, value};
use muster_groups::figures::row;
use muster_groups::load;

/// One at a time, then 32 in flight, over all nodes.
pub async fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let created = load::of_number(1, 300, |at| cluster.create(at % 3, new_job())).await;
    row("create a group of three, one at a time", &created.text());
    let before = cluster.cpu()?;
    let created = load::of_number(32, 2000, |at| cluster.create(at % 3, new_job())).await;
    let cpu_ms = (cluster.cpu()? - before) * 1000.0 / 2000.0;
    row("create a group of three, 32 in flight", &format!("{}, {cpu_ms:.2} ms CPU each", created.text()));
    let created = load::of_number(32, 1000, |at| async move {
        let job = new_job();
        cluster.create(at % 3, job).await?;
        cluster.put(at % 3, PutAt { job, key: 0, value: value(), within_ms: 5000 }).await
    });
    row("create and first write, 32 in flight", &created.await.text());
    Ok(())
}
