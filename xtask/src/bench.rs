//! `cargo xtask bench [submit|jobs|failover|large|churn]`: builds with optimisations and measures a cluster of processes.
//! `cargo xtask bench groups [NAMES…]`: the same for hosting many groups alone, beside etcd.
//! `cargo xtask bench swim [--seeds N] [--hours H] [PART…]`: failure detectors in one simulator.

use anyhow::Context;

use crate::bench_wal;
use crate::tools;
use crate::verdict::Verdict;

const BUILD: &[&str] = &["build", "--release", "-p", "muster-tests", "--bins"];
const RUN: &[&str] = &["run", "--release", "--quiet", "-p", "muster-tests", "--bin", "muster-bench", "--"];
/// In a workspace of its own, because it holds the clients of other systems. Built as it is deployed, which takes minutes.
const GROUPS: &[&str] = &["run", "--profile", "dist", "--manifest-path", "benches/groups/Cargo.toml", "--"];

/// Runs the bench program with the names given, or all of it; `swim` is a program of its own.
pub(crate) fn run(names: &[String]) -> anyhow::Result<Verdict> {
    match names.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("groups", rest)) => run_groups(rest),
        Some(("wal", parts)) => bench_wal::run(parts),
        Some(("swim", rest)) => run_swim(rest),
        _ => run_processes(names),
    }
}

fn run_groups(names: &[String]) -> anyhow::Result<Verdict> {
    Verdict::of(tools::cargo(GROUPS).args(names))
}

fn run_swim(arguments: &[String]) -> anyhow::Result<Verdict> {
    Verdict::of(tools::swim_program("swim-bench").args(arguments))
}

fn run_processes(names: &[String]) -> anyhow::Result<Verdict> {
    let built = tools::cargo(BUILD).status().context("cannot run cargo")?;
    anyhow::ensure!(built.success(), "the build failed");
    Verdict::of(tools::cargo(RUN).args(names))
}
