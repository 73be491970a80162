//! Submissions.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use muster_client::{Client, Submission};
use muster_runtime::Clock;

use super::figures::Samples;
use crate::Cluster;

const NOOP: &str = "name = 'noop'\nretention = '1s'\n[[workflows]]\nname = 'noop'\ncommand = ['true']\n";

/// Submits one job; its id, and how long the answer took.
pub(super) async fn submit(client: &Client, text: &str) -> anyhow::Result<(String, Duration)> {
    let clock = Clock::system();
    let started = clock.now();
    let submission = Submission { body: text.into(), content_type: "application/toml", key: None };
    let (submitted, _) = client.submit(submission).await?;
    Ok((submitted.id.to_string(), started.elapsed()))
}

/// Time from `POST` to 201: registered, born, and committed on a majority of three gates with fsync.
pub(super) async fn submit_to_ack(cluster: &Cluster) -> anyhow::Result<()> {
    let client = cluster.client()?;
    for (clients, count) in [(1, 200), (16, 800)] {
        let clock = Clock::system();
        let started = clock.now();
        let times: Vec<Duration> = stream::iter(0..count)
            .map(|_| async { submit(&client, NOOP).await.map(|(_, took)| took) })
            .buffer_unordered(clients)
            .try_collect()
            .await?;
        let rate = f64::from(count) / started.elapsed().as_secs_f64();
        let mut samples = Samples::default();
        samples.extend(times);
        println!("| submit to ack, 3 gates, {clients} clients | {}; {rate:.0}/s |", samples.line());
    }
    Ok(())
}
