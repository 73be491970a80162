//! `cargo xtask bench groups`: what hosting many Raft groups costs, beside etcd and the raw disk in the same run.

mod create;
mod disk;
mod etcd;
mod failover;
mod rest;
mod writes;

use std::process::ExitCode;

use muster_groups::cluster::Cluster;
use muster_groups::{node, run_program};

/// What is measured, by name.
const ALL: [&str; 11] =
    ["disk", "create", "one", "many", "far", "etcd", "asleep", "evicted", "failover", "vanish", "crowd"];

#[tokio::main]
async fn main() -> ExitCode {
    run_program("bench groups", run).await
}

async fn run(args: &[String]) -> anyhow::Result<()> {
    match args.split_first() {
        Some((first, rest)) if first == "node" => node::run(node::NodeArgs::parse(rest)?).await,
        _ => bench(args).await,
    }
}

async fn bench(wanted: &[String]) -> anyhow::Result<()> {
    println!("| what | figure |\n|---|---|");
    for name in ALL.iter().filter(|name| wanted.is_empty() || wanted.iter().any(|want| want == *name)) {
        one(name).await?;
    }
    Ok(())
}

async fn one(name: &str) -> anyhow::Result<()> {
    match name {
        "disk" => disk::fdatasync_rate(),
        "create" => create::run(&Cluster::start(10, 300).await?).await,
        "one" => writes::one_group(&Cluster::start(10, 300).await?).await,
        "many" => writes::many_groups(&Cluster::start(10, 300).await?).await,
        "far" => writes::one_group_far_apart().await,
        "etcd" => etcd::run().await,
        "asleep" => rest::asleep(&Cluster::start(3, 600).await?).await,
        "evicted" => rest::evicted(Cluster::start(2, 3).await?).await,
        "failover" => failover::one_group(Cluster::start(10, 300).await?).await,
        "vanish" => failover::one_machine().await,
        _ => failover::many_groups(&Cluster::start(10, 300).await?).await,
    }
}
