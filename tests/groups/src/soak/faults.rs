//! Restarts, transfers, pauses and cut-off minorities.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::writers::{Writers, value_at};
use crate::calls::{GetAt, PutAt, Transfer};
use crate::cluster::Cluster;

const JOBS: usize = 16;
const TRANSFERS: u32 = 20;
const CALM: Duration = Duration::from_secs(2);

/// All three nodes are restarted, one after the other, under load.
pub(super) async fn rolling(mut cluster: Cluster) -> anyhow::Result<String> {
    let writers = Writers::new(&cluster, JOBS).await?;
    for at in 0..3 {
        let others: Vec<usize> = (0..3).filter(|other| *other != at).collect();
        under_load(&writers, &mut cluster, others, at).await?;
    }
    writers.check(&cluster).await
}

/// The load goes on while the links are shared; the processes are changed between signals only.
async fn under_load(
    writers: &Writers,
    cluster: &mut Cluster,
    nodes: Vec<usize>,
    at: usize,
) -> anyhow::Result<()> {
    writers.go_on();
    let load = async {
        let shared = &*cluster;
        let restart = async {
            tokio::time::sleep(CALM).await;
            shared.signal(at, "INT").await?;
            tokio::time::sleep(CALM * 2).await;
            writers.stop();
            Ok::<(), anyhow::Error>(())
        };
        tokio::join!(writers.run(shared, &nodes), restart).1
    };
    load.await?;
    cluster.stop(at).await.ok();
    cluster.spawn(at)?;
    cluster.ready().await
}

/// The leadership of one group goes round while it is written to.
pub(super) async fn transfer(cluster: &Cluster) -> anyhow::Result<String> {
    let writers = Writers::new(cluster, 1).await?;
    let moving = async {
        let mut gaps = Vec::new();
        for number in 0..TRANSFERS {
            let from = cluster.leader(0, writers.job()).await?;
            let to = (from as u32 + 1) % 3 + 1;
            let begun = Instant::now();
            cluster.call(from, &Transfer { job: writers.job(), to }).await?;
            gaps.push(begun.elapsed());
            tokio::time::sleep(Duration::from_millis(200 + u64::from(number))).await;
        }
        writers.stop();
        Ok::<Vec<Duration>, anyhow::Error>(gaps)
    };
    let (_, gaps) = tokio::join!(writers.run(cluster, &[0, 1, 2]), moving);
    let longest = gaps?.into_iter().max().unwrap_or_default();
    Ok(format!(
        "{TRANSFERS} transfers, the longest took {} ms; {}",
        longest.as_millis(),
        writers.check(cluster).await?
    ))
}

/// One of three, alone, neither commits nor serves linearizable reads, and is well again afterwards.
pub(super) async fn minority(cluster: &Cluster) -> anyhow::Result<String> {
    let writers = Writers::new(cluster, JOBS).await?;
    for at in [1, 2] {
        cluster.pause(at).await?;
    }
    let alone = refusals(cluster, &writers, Duration::from_secs(6)).await;
    for at in [1, 2] {
        cluster.signal(at, "CONT").await?;
    }
    let (refused, accepted) = alone;
    anyhow::ensure!(accepted == 0, "a minority accepted {accepted} calls");
    let begun = Instant::now();
    healed(cluster, &writers).await?;
    Ok(format!(
        "{refused} calls refused alone, none accepted; every group writes again after {} ms",
        begun.elapsed().as_millis()
    ))
}

async fn refusals(cluster: &Cluster, writers: &Writers, lasting: Duration) -> (u64, u64) {
    let end = Instant::now() + lasting;
    let (mut refused, mut accepted) = (0, 0);
    while Instant::now() < end {
        for job in writers.jobs() {
            let put = PutAt { job: *job, key: 1, value: Bytes::from_static(b"alone"), within_ms: 200 };
            let get = GetAt { job: *job, key: 0, within_ms: 200 };
            let (put, get) = tokio::join!(cluster.put(0, put), cluster.get(0, get));
            let oks = u64::from(put.is_ok()) + u64::from(get.is_ok());
            (refused, accepted) = (refused + 2 - oks, accepted + oks);
        }
    }
    (refused, accepted)
}

async fn healed(cluster: &Cluster, writers: &Writers) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    for job in writers.jobs() {
        let put = || PutAt { job: *job, key: 2, value: Bytes::from_static(b"healed"), within_ms: 300 };
        while cluster.put(0, put()).await.is_err() {
            anyhow::ensure!(Instant::now() < end, "{job} is not written to 10 s after the others are back");
        }
    }
    Ok(())
}

/// A leader that is stopped for a while answers nothing stale when it goes on.
pub(super) async fn paused(cluster: &Cluster, lasting: Duration) -> anyhow::Result<String> {
    let writers = Writers::new(cluster, 1).await?;
    let job = writers.job();
    let leader = cluster.leader(0, job).await?;
    let others: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
    cluster.pause(leader).await?;
    let stop = async {
        tokio::time::sleep(lasting).await;
        writers.stop();
    };
    tokio::join!(writers.run_tolerant(cluster, &others), stop);
    let newest = value_at(cluster, others[0], job).await?;
    let get = GetAt { job, key: 0, within_ms: 300 };
    cluster.signal(leader, "CONT").await?;
    let first = cluster.get(leader, get).await;
    let first = match first {
        Ok(value) => {
            value.and_then(|value| value.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes).to_string()
        }
        Err(error) => format!("refused ({error:#})"),
    };
    let is_stale = first.parse::<u64>().is_ok_and(|value| value < newest);
    anyhow::ensure!(!is_stale, "the woken leader read {first}, but {newest} was committed");
    Ok(format!("{newest} was committed meanwhile; the first answer of the woken leader: {first}"))
}

/// A node whose folder lost its log is not served under its old number.
pub(super) async fn wiped(mut cluster: Cluster) -> anyhow::Result<String> {
    let writers = Writers::new(&cluster, JOBS).await?;
    cluster.kill(2).await?;
    std::fs::remove_dir_all(cluster.folder(2).join("wal"))?;
    cluster.spawn(2)?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let answer = cluster.state(2).await;
    anyhow::ensure!(answer.is_err(), "a node without its log serves: {answer:?}");
    cluster.kill(2).await.ok();
    let end = tokio::time::sleep(CALM);
    tokio::join!(writers.run(&cluster, &[0, 1]), async {
        end.await;
        writers.stop();
    });
    Ok(format!("it does not serve; the others: {}", writers.check(&cluster).await?))
}

/// All nodes stop and come back with other ports.
pub(super) async fn new_ports(mut cluster: Cluster) -> anyhow::Result<String> {
    let writers = Writers::new(&cluster, JOBS).await?;
    tokio::join!(writers.run(&cluster, &[0, 1, 2]), async {
        tokio::time::sleep(CALM).await;
        writers.stop();
    });
    for at in 0..3 {
        cluster.kill(at).await?;
        cluster.move_ports(at)?;
    }
    for at in 0..3 {
        cluster.spawn(at)?;
    }
    let begun = Instant::now();
    cluster.ready().await?;
    let ready_ms = begun.elapsed().as_millis();
    Ok(format!("ready {ready_ms} ms after the start; {}", writers.check(&cluster).await?))
}
