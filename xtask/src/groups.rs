//! `bench groups` and `soak groups`: a program in a workspace of its own, because it holds the clients of other systems.

use anyhow::Context;

use crate::tools;
use crate::verdict::Verdict;

const RUN: &[&str] = &["run", "--release", "--quiet", "--manifest-path", "benches/groups/Cargo.toml", "--"];

/// Builds the program with optimisations and runs it.
pub(crate) fn run(names: &[String]) -> anyhow::Result<Verdict> {
    let status = tools::cargo(RUN).args(names).status().context("cannot run cargo")?;
    Ok(Verdict::from_status(status))
}
