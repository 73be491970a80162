//! Measurements of a whole cluster of processes on one machine.

mod churn;
mod disk;
mod etcd;
mod failover;
mod figures;
mod jobs;
mod large;
mod submit;

use crate::{Cluster, Topology};

/// What is measured, by name.
const ALL: [&str; 5] = ["submit", "jobs", "failover", "large", "churn"];

/// Runs the named benches, or all.
pub async fn run(wanted: &[String]) -> anyhow::Result<()> {
    let unknown = wanted.iter().find(|name| !ALL.contains(&name.as_str()));
    anyhow::ensure!(unknown.is_none(), "unknown bench {unknown:?}; known: {}", ALL.join(", "));
    println!("| what | figure |\n|---|---|");
    disk::fdatasync_rate()?;
    for name in ALL.iter().filter(|name| wanted.is_empty() || wanted.iter().any(|want| want == *name)) {
        one(name).await?;
    }
    disk::fdatasync_rate()
}

async fn one(name: &str) -> anyhow::Result<()> {
    match name {
        "submit" => submit::submit_to_ack(&start(submit::TOPOLOGY).await?).await,
        "jobs" => jobs::all(&start(jobs::TOPOLOGY).await?).await,
        "large" => large::all(&start(jobs::TOPOLOGY).await?).await,
        "churn" => churn::memory(&start(jobs::TOPOLOGY).await?).await,
        _ => failover::gate_leader(&mut start(Topology::HA).await?).await,
    }
}

/// A cluster of its own for each bench, so that none measures what another left.
async fn start(topology: Topology) -> anyhow::Result<Cluster> {
    let mut cluster = Cluster::prepare(topology)?;
    cluster.set("limits.submissions", "0");
    cluster.set("telemetry.log", "info");
    cluster.start_all().await?;
    Ok(cluster)
}
