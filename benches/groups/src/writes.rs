//! Writes of 256 bytes: to one group, and to many.

use std::time::Duration;

use muster_wire::JobId;

use muster_groups::calls::PutAt;
use muster_groups::cluster::{Cluster, new_job, value};
use muster_groups::figures::row;
use muster_groups::load;

/// How long each load lasts.
pub const LASTING: Duration = Duration::from_secs(6);
/// How many clients write to one group.
pub const CLIENTS: [usize; 4] = [1, 16, 128, 512];
/// Keys of one client: a job's state is small.
pub const KEYS: u64 = 4;
const GROUPS: usize = 256;
/// How much later nodes far apart hear from each other.
const ONE_WAY: Duration = Duration::from_millis(15);

/// One group, through all nodes.
pub async fn one_group(cluster: &Cluster) -> anyhow::Result<()> {
    let job = new_job();
    cluster.create(0, job).await?;
    for clients in CLIENTS {
        let done = load::for_time(clients, LASTING, |client, number| {
            cluster.put(client % 3, put(job, client, number))
        });
        row(&format!("one group, {clients} clients over three nodes"), &done.await.text());
    }
    Ok(())
}

/// One group whose nodes are far apart, through its leader.
pub async fn one_group_far_apart() -> anyhow::Result<()> {
    let cluster = Cluster::far_apart(ONE_WAY).await?;
    let (cluster, job) = (&cluster, new_job());
    cluster.create(0, job).await?;
    for clients in [1, 16, 128] {
        let done =
            load::for_time(clients, LASTING, |client, number| cluster.put(0, put(job, client, number)));
        let apart = 2 * ONE_WAY.as_millis();
        row(
            &format!("one group, round trips of {apart} ms, {clients} clients at its leader"),
            &done.await.text(),
        );
    }
    Ok(())
}

/// Each client writes to a group of its own.
pub async fn many_groups(cluster: &Cluster) -> anyhow::Result<()> {
    let jobs: Vec<JobId> = (0..GROUPS).map(|_| new_job()).collect();
    let (all, jobs) = (&jobs, &jobs);
    load::of_number(32, GROUPS, |at| cluster.create(at % 3, all[at])).await;
    let done = load::for_time(GROUPS, LASTING, |client, number| {
        cluster.put(client % 3, put(jobs[client], client, number))
    });
    row(&format!("{GROUPS} clients over {GROUPS} groups"), &done.await.text());
    Ok(())
}

/// A client's put of so many.
pub fn put(job: JobId, client: usize, number: u64) -> PutAt {
    let key = (client as u64) * KEYS + number % KEYS;
    PutAt { job, key, value: value(), within_ms: 5000 }
}
