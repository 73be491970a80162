//! `cargo xtask bench [submit|jobs|failover|large|churn]`: builds with optimisations and measures a cluster of processes.
//! `cargo xtask bench groups [NAMES…]`: the same for hosting many groups alone, beside etcd.

use anyhow::Context;

use crate::bench_wal;
use crate::groups;
use crate::tools;
use crate::verdict::Verdict;

const BUILD: &[&str] = &["build", "--release", "-p", "muster-tests", "--bins"];
const RUN: &[&str] = &["run", "--release", "--quiet", "-p", "muster-tests", "--bin", "muster-bench", "--"];

/// Runs the bench program with the names given, or all of it.
pub(crate) fn run(names: &[String]) -> anyhow::Result<Verdict> {
    if let Some(("groups", rest)) = names.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return groups::run(rest);
    }
    if let Some(("wal", parts)) = names.split_first().map(|(name, parts)| (name.as_str(), parts)) {
        return bench_wal::run(parts);
    }
    let built = tools::cargo(BUILD).status().context("cannot run cargo")?;
    anyhow::ensure!(built.success(), "the build failed");
    let status = tools::cargo(RUN).args(names).status().context("cannot run cargo")?;
    Ok(Verdict::from_status(status))
}
