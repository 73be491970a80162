//! The largest jobs: how long they take, and how quick their status is meanwhile.

use std::time::Duration;

use muster_client::Client;
use muster_runtime::Clock;
use muster_wire::api::JobView;

use super::figures::Samples;
use super::jobs::{NOOP, file};
use super::submit::submit;
use crate::cluster::Cluster;

/// How long such a job may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// Time between two looks at the status.
const LOOK: Duration = Duration::from_millis(50);
/// Workflows of the graph: layers of so many, each depending on one of the layer before.
const LAYERS: usize = 20;
const IN_LAYER: usize = 50;

/// 10,000 shards, then 1,000 workflows.
pub(super) async fn all(cluster: &Cluster) -> anyhow::Result<()> {
    let client = cluster.client()?;
    watch(&client, "fan-out of 10,000 no-op shards", &file(NOOP, 10_000)).await?;
    watch(&client, "graph of 1,000 no-op workflows in 20 layers", &graph()).await
}

fn graph() -> String {
    let mut text = "name = 'graph'\nretention = '2s'\n".to_owned();
    for at in 0..LAYERS * IN_LAYER {
        let (layer, place) = (at / IN_LAYER, at % IN_LAYER);
        text.push_str(&format!("[[workflows]]\nname = 'w{layer}-{place}'\ncommand = [{NOOP}]\n"));
        if let Some(before) = layer.checked_sub(1) {
            let other = (place + 1) % IN_LAYER;
            text.push_str(&format!("depends_on = ['w{before}-{place}', 'w{before}-{other}']\n"));
        }
    }
    text
}

async fn watch(client: &Client, what: &str, text: &str) -> anyhow::Result<()> {
    let clock = Clock::system();
    let started = clock.now();
    let (id, _) = submit(client, text).await?;
    let mut looks = Samples::default();
    let view = loop {
        anyhow::ensure!(started.elapsed() < PATIENCE, "{what} does not end");
        let asked = clock.now();
        let view: JobView = client.job(&id).await?;
        looks.add(asked.elapsed());
        if view.status.is_terminal() {
            break view;
        }
        tokio::time::sleep(LOOK).await;
    };
    anyhow::ensure!(view.status.exit_code() == 0, "{what} ended {}: {:?}", view.status, view.errors);
    let seconds = started.elapsed().as_secs_f64();
    let bytes = serde_json::to_vec(&view)?.len();
    println!("| {what} | {seconds:.1} s; status of {bytes} bytes: {} |", looks.line());
    Ok(())
}
