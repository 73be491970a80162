//! How long writes stop when a node dies or vanishes.

use std::time::Duration;

use futures_util::future::join_all;
use muster_wire::JobId;
use tokio::time::Instant;

use crate::writes::put;
use muster_groups::calls::PutAt;
use muster_groups::cluster::{Cluster, new_job};
use muster_groups::figures::{Figures, row};
use muster_groups::load;

const KILLS: usize = 20;
const VANISHINGS: usize = 6;
const GROUPS: usize = 1000;
const TRY_MS: u64 = 250;
/// All writers together stay below what the machine can do.
const BETWEEN_WRITES: Duration = Duration::from_millis(400);
const LONG_ENOUGH: Duration = Duration::from_secs(8);
/// A failure detector has heard of a node again within this time.
const BACK: Duration = Duration::from_secs(2);
/// A group that takes no write for so long is a fault, not a figure.
const GIVE_UP: Duration = Duration::from_secs(60);

/// One group and a killed leader, one group and a leader that is stopped.
pub async fn one_group(mut cluster: Cluster) -> anyhow::Result<()> {
    let job = new_job();
    cluster.create(0, job).await?;
    let mut gaps = Vec::new();
    for _ in 0..KILLS {
        gaps.push(kill_leader(&mut cluster, job).await?);
    }
    row("kill -9 of a group's leader to the first accepted write", &text(gaps));
    let mut gaps = Vec::new();
    for _ in 0..VANISHINGS {
        gaps.push(stop_leader(&cluster, job).await?);
    }
    row("a leader that is stopped, its sockets open, to the first accepted write", &text(gaps));
    Ok(())
}

/// One group and a leader's machine that vanishes: all its frames are dropped, nobody is told.
pub async fn one_machine() -> anyhow::Result<()> {
    const WHAT: &str = "a leader whose machine vanishes to the first accepted write";
    match Cluster::on_sites().await {
        Ok(cluster) => row(WHAT, &text(vanishings(&cluster).await?)),
        Err(error) => row(WHAT, &format!("not measured, it needs root and `ip`: {error:#}")),
    }
    Ok(())
}

async fn vanishings(cluster: &Cluster) -> anyhow::Result<Vec<Duration>> {
    let job = new_job();
    cluster.create(0, job).await?;
    let mut gaps = Vec::new();
    for _ in 0..VANISHINGS {
        let leader = settled_leader(cluster, job).await;
        cluster.cut(leader)?;
        gaps.push(until_written(cluster, job, leader).await);
        cluster.heal(leader)?;
        all_back(cluster).await?;
    }
    Ok(gaps)
}

fn text(gaps: Vec<Duration>) -> String {
    let figures = Figures::new(gaps, Duration::from_secs(1), 0);
    format!("median {:.0} ms, max {:.0} ms", figures.ms(0.5), figures.ms(1.0))
}

async fn kill_leader(cluster: &mut Cluster, job: JobId) -> anyhow::Result<Duration> {
    let leader = settled_leader(cluster, job).await;
    cluster.kill(leader).await?;
    let gap = until_written(cluster, job, leader).await;
    cluster.spawn(leader)?;
    cluster.ready().await?;
    Ok(gap)
}

/// Before the next round the others must have taken the node that came back for alive again, which no call tells.
async fn all_back(cluster: &Cluster) -> anyhow::Result<()> {
    cluster.ready().await?;
    tokio::time::sleep(BACK).await;
    Ok(())
}

async fn stop_leader(cluster: &Cluster, job: JobId) -> anyhow::Result<Duration> {
    let leader = settled_leader(cluster, job).await;
    cluster.pause(leader).await?;
    let gap = until_written(cluster, job, leader).await;
    cluster.signal(leader, "CONT").await?;
    all_back(cluster).await?;
    Ok(gap)
}

/// The leader once the group takes writes and everybody names the same one.
async fn settled_leader(cluster: &Cluster, job: JobId) -> usize {
    loop {
        let written = cluster.put(0, put(job, 0, 0)).await.is_ok();
        let named = join_all((0..3).map(|at| cluster.leader(at, job))).await;
        let named: Vec<usize> = named.into_iter().flatten().collect();
        if written && named.len() == 3 && named.iter().all(|leader| *leader == named[0]) {
            return named[0];
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Two writers at each survivor, with short tries; the first write that began after the loss counts.
async fn until_written(cluster: &Cluster, job: JobId, lost: usize) -> Duration {
    let begun = Instant::now();
    let writers = (0..3).filter(|at| *at != lost).flat_map(|at| [at, at]);
    let writers = writers.map(|at| {
        Box::pin(async move {
            loop {
                let put = PutAt { within_ms: TRY_MS, ..put(job, at, 0) };
                if cluster.put(at, put).await.is_ok() {
                    return begun.elapsed();
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    });
    futures_util::future::select_all(writers).await.0
}

/// 1,000 written groups and a killed node. Every group has a writer at a survivor, which repeats a write until it is
/// accepted; the longest that took is its gap.
pub async fn many_groups(cluster: &Cluster) -> anyhow::Result<()> {
    let jobs: Vec<JobId> = (0..GROUPS).map(|_| new_job()).collect();
    let all = &jobs;
    let created = load::of_number(32, GROUPS, |at| cluster.create(at % 3, all[at])).await;
    anyhow::ensure!(created.errors() == 0, "{} groups could not be created", created.errors());
    let dead = 2;
    let mut led = Vec::new();
    for job in all {
        led.push(cluster.leader(0, *job).await.ok() == Some(dead));
    }
    let stop = Instant::now() + LONG_ENOUGH + Duration::from_secs(2);
    let writers = join_all(all.iter().enumerate().map(|(at, job)| async move {
        // Not all at the same instant: a thousand writes at once wait for each other, with or without a kill.
        tokio::time::sleep(BETWEEN_WRITES * at as u32 / GROUPS as u32).await;
        writer(cluster, (at % 2, *job), stop).await
    }));
    let kill = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        cluster.signal(dead, "KILL").await
    };
    let (gaps, killed) = tokio::join!(writers, kill);
    killed?;
    let gaps = gaps.into_iter().collect::<anyhow::Result<Vec<Duration>>>()?;
    let of = |was_led: bool| {
        let some = gaps.iter().zip(&led).filter(|(_, led)| **led == was_led).map(|(gap, _)| *gap);
        Figures::new(some.collect(), Duration::from_secs(1), 0)
    };
    for (what, was_led) in [("led by it", true), ("led elsewhere", false)] {
        let gaps = of(was_led);
        let figure = format!(
            "longest gap p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms",
            gaps.ms(0.5),
            gaps.ms(0.99),
            gaps.ms(1.0)
        );
        row(&format!("kill -9 of a node, {GROUPS} written groups: those {what}"), &figure);
    }
    Ok(())
}

async fn writer(cluster: &Cluster, (at, job): (usize, JobId), stop: Instant) -> anyhow::Result<Duration> {
    let mut longest = Duration::ZERO;
    while Instant::now() < stop {
        let begun = Instant::now();
        let put = || PutAt { within_ms: TRY_MS, ..put(job, 0, 0) };
        while let Err(error) = cluster.put(at, put()).await {
            let leader = cluster.leader(at, job).await;
            anyhow::ensure!(
                begun.elapsed() < GIVE_UP,
                "job {job} takes no write: {error}; led by {leader:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        longest = longest.max(begun.elapsed());
        tokio::time::sleep(BETWEEN_WRITES).await;
    }
    Ok(longest)
}
