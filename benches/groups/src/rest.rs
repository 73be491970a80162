//! Groups at rest: what they cost, how fast they are back, and what a restart does with many of them.

use std::time::Duration;

use muster_wire::JobId;
use tokio::time::Instant;

use crate::etcd;
use crate::writes::put;
use muster_groups::cluster::{Cluster, new_job};
use muster_groups::figures::row;
use muster_groups::load;

const ASLEEP: usize = 2;
const EVICTED: usize = 3;
const SLEEPERS: usize = 1000;
const EVICTED_GROUPS: usize = 10_000;
const WOKEN: usize = 200;
const SETTLE: Duration = Duration::from_secs(120);
const MEASURED: Duration = Duration::from_secs(10);

/// 1,000 idle groups.
pub async fn asleep(cluster: &Cluster) -> anyhow::Result<()> {
    let empty = cluster.resident()?;
    let jobs = create(cluster, SLEEPERS).await?;
    row("memory of an awake group and node", &per_group(cluster, empty, SLEEPERS)?);
    cluster.all_hold(ASLEEP, SLEEPERS, SETTLE).await?;
    row("memory of a sleeping group and node", &per_group(cluster, empty, SLEEPERS)?);
    cpu(cluster, "1,000 groups asleep").await?;
    etcd::idle(MEASURED).await?;
    wake(cluster, &jobs, "a sleeping group").await;
    Ok(())
}

/// 10,000 groups on disk only, and restarts with them.
pub async fn evicted(mut cluster: Cluster) -> anyhow::Result<()> {
    let empty = cluster.resident()?;
    let jobs = create(&cluster, EVICTED_GROUPS).await?;
    cluster.all_hold(EVICTED, EVICTED_GROUPS, SETTLE * 2).await?;
    row(
        "memory of an evicted group and node, all of them just awake",
        &per_group(&cluster, empty, EVICTED_GROUPS)?,
    );
    settled(&cluster, empty, "10,000 groups evicted").await?;
    cluster.kill(0).await?;
    let begun = Instant::now();
    cluster.spawn(0)?;
    ready(&cluster, 0).await;
    row(
        "restart of one node with 10,000 groups, until it is ready",
        &format!("{:.2} s", begun.elapsed().as_secs_f64()),
    );
    restart_all(&mut cluster, jobs[0]).await?;
    cluster.all_hold(EVICTED, EVICTED_GROUPS, SETTLE).await?;
    settled(&cluster, empty, "10,000 groups evicted, after a restart").await?;
    wake(&cluster, &jobs, "an evicted group").await;
    Ok(())
}

/// What they cost once nodes have given back what they do not need.
async fn settled(cluster: &Cluster, empty: u64, what: &str) -> anyhow::Result<()> {
    tokio::time::sleep(MEASURED).await;
    cpu(cluster, what).await?;
    row(
        &format!("memory of a group and node 20 s later, {what}"),
        &per_group(cluster, empty, EVICTED_GROUPS)?,
    );
    Ok(())
}

async fn cpu(cluster: &Cluster, what: &str) -> anyhow::Result<()> {
    let percent = cluster.cpu_percent(MEASURED).await?;
    row(&format!("CPU of three nodes, {what}"), &format!("{percent:.1} % of a core"));
    Ok(())
}

async fn restart_all(cluster: &mut Cluster, job: JobId) -> anyhow::Result<()> {
    for at in 0..3 {
        cluster.kill(at).await?;
    }
    let begun = Instant::now();
    for at in 0..3 {
        cluster.spawn(at)?;
    }
    let mut number = 0;
    while cluster.put(0, put(job, 0, number)).await.is_err() {
        number += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    row(
        "restart of all three with 10,000 groups, until a write",
        &format!("{:.2} s", begun.elapsed().as_secs_f64()),
    );
    Ok(())
}

async fn ready(cluster: &Cluster, at: usize) {
    while !cluster.state(at).await.is_ok_and(|state| state.jobs >= EVICTED_GROUPS && state.is_led) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn create(cluster: &Cluster, groups: usize) -> anyhow::Result<Vec<JobId>> {
    let jobs: Vec<JobId> = (0..groups).map(|_| new_job()).collect();
    let all = &jobs;
    let created = load::of_number(32, groups, |at| async move {
        cluster.create(at % 3, all[at]).await?;
        cluster.put(at % 3, put(all[at], 0, 0)).await
    });
    row(&format!("create {groups} groups and write to each, 32 in flight"), &created.await.text());
    Ok(jobs)
}

fn per_group(cluster: &Cluster, empty: u64, groups: usize) -> anyhow::Result<String> {
    let bytes = cluster.resident()?.saturating_sub(empty) as f64 / (groups * 3) as f64;
    Ok(format!("{:.1} KiB", bytes / 1024.0))
}

/// The first write to groups at rest, one at a time, at the node that led them and at the others.
async fn wake(cluster: &Cluster, jobs: &[JobId], what: &str) {
    let woken = load::of_number(1, WOKEN, |at| cluster.put(at % 3, put(jobs[at], 0, 1)));
    row(&format!("write to {what}, at its last leader"), &woken.await.text());
    let jobs = &jobs[WOKEN..];
    let woken = load::of_number(1, WOKEN, |at| cluster.put((at + 1) % 3, put(jobs[at], 0, 1)));
    row(&format!("write to {what}, at another node"), &woken.await.text());
}
