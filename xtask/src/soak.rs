//! `cargo xtask soak manager [SECONDS] [JOBS] [SEED]`: runs a cluster of processes under faults.
//! `cargo xtask soak gate [SECONDS]`: the same with sites as network namespaces; needs root and `ip`.
//! `cargo xtask soak groups [short|NAMES…]`: hosts of many groups alone, under faults.
//! `cargo xtask soak swim`: membership of five managers on a busy machine, with killed and stopped ones; four minutes.
//! `cargo xtask soak properties [SEQUENCES]`: tries many sequences of commands on the machines of both tiers.

use anyhow::Context;

use crate::tools;
use crate::verdict::Verdict;

const BUILD: &[&str] = &["build", "-p", "muster-tests", "--bins"];
const RUN: &[&str] = &["run", "--quiet", "-p", "muster-tests", "--bin", "muster-soak", "--"];

const PROPERTIES: &[&str] =
    &["test", "--release", "-p", "muster-manager", "-p", "muster-gate", "--lib", "property_test"];
const GROUPS: &[&str] = &["run", "--quiet", "-p", "muster-groups", "--", "soak"];
const SWIM: &[&str] =
    &["test", "-p", "muster-tests", "--test", "cluster", "--", "--ignored", "--nocapture", "soak_swim"];
/// Sequences of a long campaign.
const SEQUENCES: &str = "100000";

/// Runs the soak of that name.
pub(crate) fn run(names: &[String]) -> anyhow::Result<Verdict> {
    match names.first().map(String::as_str) {
        Some("groups") => groups(&names[1..]),
        Some("swim") => swim(),
        Some("properties") => properties(names.get(1).map_or(SEQUENCES, String::as_str)),
        _ => cluster(names),
    }
}

fn groups(names: &[String]) -> anyhow::Result<Verdict> {
    Verdict::of(tools::cargo(GROUPS).args(names))
}

fn swim() -> anyhow::Result<Verdict> {
    Verdict::of(&mut tools::cargo(SWIM))
}

fn properties(sequences: &str) -> anyhow::Result<Verdict> {
    let mut cargo = tools::cargo(PROPERTIES);
    Verdict::of(cargo.env("MUSTER_PROPERTY_CASES", sequences))
}

fn cluster(names: &[String]) -> anyhow::Result<Verdict> {
    let built = tools::cargo(BUILD).status().context("cannot run cargo")?;
    anyhow::ensure!(built.success(), "the build failed");
    Verdict::of(tools::cargo(RUN).args(names))
}
