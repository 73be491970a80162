//! Whole jobs, end to end: one gate, three managers, two workers.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use muster_client::Client;
use muster_runtime::Clock;
use muster_wire::api::JobView;

use super::figures::Samples;
use super::submit::submit;
use crate::cluster::{Cluster, Topology};

/// What these benches run on.
pub(super) const TOPOLOGY: Topology = Topology { gates: 1, dcs: 1, managers: 3, workers: 2, cores: 64 };
/// An attempt without a process.
pub(super) const NOOP: &str = "'muster:noop'";
/// The smallest real process.
const TRUE: &str = "'true'";
/// How long a job may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Jobs under way at the same time.
pub(super) const AT_ONCE: usize = 64;

/// A job file of one workflow.
pub(super) fn file(command: &str, replicas: u32) -> String {
    format!(
        "name = 'bench'\nretention = '2s'\n[[workflows]]\nname = 'work'\nreplicas = {replicas}\ncommand = [{command}]\n"
    )
}

/// One row a figure.
pub(super) async fn all(cluster: &Cluster) -> anyhow::Result<()> {
    let client = cluster.client()?;
    for (what, command) in [("no-op", NOOP), ("`true`", TRUE)] {
        idle(&client, (what, command)).await?;
        rate(&client, (what, command), 2_000).await?;
    }
    shards(&client, ("no-op", NOOP), (4, 5_000)).await?;
    shards(&client, ("`true`", TRUE), (4, 500)).await
}

/// From the submission to the end, as a client that waits for it sees it.
pub(super) async fn run_job(client: &Client, text: &str) -> anyhow::Result<(JobView, Duration)> {
    let clock = Clock::system();
    let started = clock.now();
    let (id, _) = submit(client, text).await?;
    let mut view = client.job(&id).await?;
    while !view.status.is_terminal() {
        anyhow::ensure!(started.elapsed() < PATIENCE, "job {id} does not end: {:?}", view.workflows);
        view = client.job_after(&id, view.version, Duration::from_secs(10)).await?;
    }
    anyhow::ensure!(view.status.exit_code() == 0, "job {id} ended {}: {:?}", view.status, view.errors);
    Ok((view, started.elapsed()))
}

/// One job after the other on an idle cluster.
async fn idle(client: &Client, (what, command): (&str, &str)) -> anyhow::Result<()> {
    let text = file(command, 1);
    let (mut done, mut running) = (Samples::default(), Samples::default());
    for _ in 0..50 {
        let (view, took) = run_job(client, &text).await?;
        done.add(took);
        running.extend(to_running(&view));
    }
    println!("| one {what} job at a time: submit to done | {} |", done.line());
    println!(
        "| one {what} job at a time: submit to running, by the workflow's own times | {} |",
        running.line()
    );
    Ok(())
}

fn to_running(view: &JobView) -> Option<Duration> {
    let at = |text: &str| text.parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond());
    let started = view.workflows.first()?.started_at.as_deref().and_then(at)?;
    let took_ms = started - at(&view.created_at)?;
    u64::try_from(took_ms).ok().map(Duration::from_millis)
}

/// Jobs of one shard, many at a time.
async fn rate(client: &Client, (what, command): (&str, &str), count: u32) -> anyhow::Result<()> {
    let text = file(command, 1);
    let clock = Clock::system();
    let started = clock.now();
    let times: Vec<Duration> = stream::iter(0..count)
        .map(|_| async { run_job(client, &text).await.map(|(_, took)| took) })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    let mut samples = Samples::default();
    samples.extend(times);
    println!(
        "| {count} jobs of one {what} shard, {AT_ONCE} at a time | {rate:.0} jobs/s; {} |",
        samples.line()
    );
    Ok(())
}

/// A few jobs of many shards.
async fn shards(
    client: &Client,
    (what, command): (&str, &str),
    (jobs, replicas): (usize, u32),
) -> anyhow::Result<()> {
    let text = file(command, replicas);
    let clock = Clock::system();
    let started = clock.now();
    stream::iter(0..jobs)
        .map(|_| async { run_job(client, &text).await.map(drop) })
        .buffer_unordered(jobs)
        .try_collect::<()>()
        .await?;
    let rate = jobs as f64 * f64::from(replicas) / started.elapsed().as_secs_f64();
    println!("| {jobs} jobs of {replicas} {what} shards | {rate:.0} shards/s |");
    Ok(())
}
