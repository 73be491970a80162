//! `cargo xtask bench wal [append|recovery|gc|idle] [groups…]`: the write-ahead log beside the raw disk and raft-engine,
//! from a workspace of its own, so that nobody else builds that.

use crate::sources;
use crate::tools;
use crate::verdict::Verdict;

const RUN: &[&str] = &["run", "--release", "--quiet", "--manifest-path", "benches/wal/Cargo.toml", "--"];

/// Runs the parts that are named, or all; appends with the numbers of groups that are named, or 1, 16 and 256.
pub(crate) fn run(names: &[String]) -> anyhow::Result<Verdict> {
    let build = tools::build_folder().join("bench-wal");
    let mut cargo = tools::cargo(RUN);
    cargo.args(names).current_dir(sources::workspace_root());
    cargo.env("CARGO_TARGET_DIR", &build).env("MUSTER_BENCH_DIR", build.join("data"));
    Verdict::of(&mut cargo)
}
