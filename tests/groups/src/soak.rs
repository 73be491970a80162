//! `cargo xtask soak groups`: real processes under faults. Writers keep what was acknowledged; readers must find it.

mod faults;
mod growth;
mod writers;

use std::time::Duration;

use crate::cluster::Cluster;

/// What is tried, by name; `short` is the part for every day.
const ALL: [&str; 8] = ["rolling", "transfer", "minority", "paused", "growth", "replaced", "wiped", "ports"];
const SHORT: [&str; 4] = ["rolling", "transfer", "minority", "ports"];

/// Runs the named soaks, the short part, or all.
pub async fn run(wanted: &[String]) -> anyhow::Result<()> {
    let is_short = wanted.iter().any(|name| name == "short");
    let names: Vec<&str> = match (is_short, wanted.is_empty()) {
        (true, _) => SHORT.to_vec(),
        (false, true) => ALL.to_vec(),
        (false, false) => ALL.into_iter().filter(|name| wanted.iter().any(|want| want == name)).collect(),
    };
    anyhow::ensure!(!names.is_empty(), "unknown soak; known: short, {}", ALL.join(", "));
    println!("| soak | outcome |\n|---|---|");
    let mut failed = Vec::new();
    for name in names {
        match one(name).await {
            Ok(what) => println!("| {name} | {what} |"),
            Err(error) => {
                println!("| {name} | FAILED: {error:#} |");
                failed.push(name);
            }
        }
    }
    anyhow::ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

async fn one(name: &str) -> anyhow::Result<String> {
    let times = (10, 300);
    match name {
        "rolling" => faults::rolling(Cluster::of(3, times).await?).await,
        "transfer" => faults::transfer(&Cluster::of(3, times).await?).await,
        "minority" => faults::minority(&Cluster::of(3, times).await?).await,
        "paused" => faults::paused(&Cluster::of(3, times).await?, Duration::from_secs(10)).await,
        "growth" => growth::grow_and_shrink(Cluster::of(1, times).await?).await,
        "replaced" => growth::replaced(Cluster::of(3, times).await?).await,
        "wiped" => faults::wiped(Cluster::of(3, times).await?).await,
        _ => faults::new_ports(Cluster::of(3, times).await?).await,
    }
}
