//! Measurements of a whole cluster of processes on one machine.

mod disk;
mod failover;
mod figures;
mod jobs;

use crate::{Cluster, Topology};

/// What is measured, by name.
const ALL: [&str; 3] = ["submit", "jobs", "failover"];

/// Runs the named benches, or all.
pub async fn run(wanted: &[String]) -> anyhow::Result<()> {
    let unknown = wanted.iter().find(|name| !ALL.contains(&name.as_str()));
    anyhow::ensure!(unknown.is_none(), "unknown bench {unknown:?}; known: {}", ALL.join(", "));
    println!("| what | figure |\n|---|---|");
    disk::fdatasync_rate()?;
    let mut cluster = Cluster::prepare(Topology::HA)?;
    cluster.set("limits.submissions", "0");
    cluster.start_all().await?;
    for name in ALL.iter().filter(|name| wanted.is_empty() || wanted.iter().any(|want| want == *name)) {
        one(name, &mut cluster).await?;
    }
    disk::fdatasync_rate()
}

async fn one(name: &str, cluster: &mut Cluster) -> anyhow::Result<()> {
    match name {
        "submit" => jobs::submit_to_ack(cluster).await,
        "jobs" => jobs::end_to_end(cluster).await,
        _ => failover::gate_leader(cluster).await,
    }
}
