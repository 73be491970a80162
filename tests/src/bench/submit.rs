//! Submissions beside an etcd of the same run, and followers of one job on one gate.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use muster_client::{Client, Submission};
use muster_runtime::Clock;

use super::etcd::Etcd;
use super::figures::Samples;
use crate::cluster::Role;
use crate::{Cluster, Topology};

/// As few other processes as a job needs: the figures are about the gates.
pub(super) const TOPOLOGY: Topology = Topology { gates: 3, dcs: 1, managers: 1, workers: 1, cores: 2 };
const NOOP: &str = "name = 'noop'\nretention = '1s'\n[[workflows]]\nname = 'noop'\ncommand = ['true']\n";
/// Clients at the same time, and submissions of all of them.
const LOADS: [(usize, u32); 3] = [(1, 300), (16, 1_500), (128, 3_000)];
const FOLLOWERS: usize = 1_000;
/// Workflows of the job that is followed, one after the other.
const STEPS: u32 = 12;

/// Submits one job; its id, and how long the answer took.
pub(super) async fn submit(client: &Client, text: &str) -> anyhow::Result<(String, Duration)> {
    let clock = Clock::system();
    let started = clock.now();
    let submission = Submission { body: text.into(), content_type: "application/toml", key: None };
    let (submitted, _) = client.submit(submission).await?;
    Ok((submitted.id.to_string(), started.elapsed()))
}

/// Time from `POST` to 201: registered, born, and committed on a majority of three gates with fsync. Each load of
/// submissions stands beside the same load of puts to an etcd.
pub(super) async fn submit_to_ack(cluster: &Cluster) -> anyhow::Result<()> {
    for (clients, count) in LOADS {
        puts(clients, count).await?;
        submissions(cluster, clients, count).await?;
        idle(cluster).await?;
    }
    followers(cluster).await
}

async fn puts(clients: usize, count: u32) -> anyhow::Result<()> {
    match Etcd::start().await? {
        Some(etcd) => etcd.puts(clients, count).await,
        None => {
            println!("| etcd put | no etcd on this machine |");
            Ok(())
        }
    }
}

async fn submissions(cluster: &Cluster, clients: usize, count: u32) -> anyhow::Result<()> {
    let gates = cluster.names(Role::Gate).into_iter().map(|gate| cluster.client_of(&[gate]));
    let gates = &gates.collect::<anyhow::Result<Vec<Client>>>()?;
    let clock = Clock::system();
    let started = clock.now();
    let times: Vec<Duration> = stream::iter(0..count as usize)
        .map(|at| async move { submit(&gates[at % gates.len()], NOOP).await.map(|(_, took)| took) })
        .buffer_unordered(clients)
        .try_collect()
        .await?;
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    let mut samples = Samples::default();
    samples.extend(times);
    println!("| submit to ack, 3 gates, {clients} clients | {}; {rate:.0}/s |", samples.line());
    Ok(())
}

/// Until every job of a load has ended and is purged: the next load starts on an idle cluster.
async fn idle(cluster: &Cluster) -> anyhow::Result<()> {
    let gate = cluster.client()?;
    let mut ask = || async {
        let total =
            gate.health().await.ok().and_then(|health| Some(health.raft?.groups.total)).unwrap_or(u64::MAX);
        if total <= 1 { Ok(()) } else { Err(format!("{total} groups")) }
    };
    crate::wait::within(Duration::from_secs(600), "the jobs of a load to be purged", &mut ask).await
}

fn chain() -> String {
    let step = |at: u32| {
        let after = if at == 0 { String::new() } else { format!("depends_on = ['s{}']\n", at - 1) };
        format!("[[workflows]]\nname = 's{at}'\ncommand = ['sleep', '0.3']\n{after}")
    };
    format!("name = 'followed'\n{}", (0..STEPS).map(step).collect::<String>())
}

/// From the replicated time of a change to its arrival at each of so many followers of one gate.
async fn followers(cluster: &Cluster) -> anyhow::Result<()> {
    let gate = cluster.client_of(&cluster.names(Role::Gate)[..1])?;
    let (id, _) = submit(&gate, &chain()).await?;
    let all = try_join_all((0..FOLLOWERS).map(|_| follow(&gate, &id))).await?;
    let mut samples = Samples::default();
    let events = all.first().map_or(0, |(count, _)| *count);
    anyhow::ensure!(
        all.iter().all(|(count, _)| *count == events),
        "followers saw different numbers of events"
    );
    samples.extend(all.into_iter().flat_map(|(_, delays)| delays));
    println!(
        "| change to arrival, {FOLLOWERS} followers of one job on one gate, {events} events | {} |",
        samples.line()
    );
    Ok(())
}

/// How many events came, and how late those were that happened while it followed.
async fn follow(gate: &Client, id: &str) -> anyhow::Result<(usize, Vec<Duration>)> {
    let clock = Clock::system();
    let began_ms = clock.unix_ms();
    let mut events = gate.events(id, None, Duration::from_secs(60));
    let (mut count, mut delays) = (0, Vec::new());
    while let Some(event) = events.next().await? {
        count += 1;
        let at: jiff::Timestamp = event.at.parse().context("an event's time")?;
        let at_ms = u64::try_from(at.as_millisecond())?;
        // The first ones come together when the follower connects, however old they are.
        if at_ms > began_ms + 2_000 {
            delays.push(Duration::from_millis(clock.unix_ms().saturating_sub(at_ms)));
        }
    }
    Ok((count, delays))
}
