//! `cargo xtask sim [SEEDS]`: hosts of many groups in a deterministic simulation, one process a seed; SEEDS is a number
//! of seeds or `FROM..TO`. The first ones run twice and must leave the same trace.
//! `cargo xtask sim soak [SEEDS]`: many seeds, built with optimisations.
//! `cargo xtask sim sabotage [MECHANISMS…]`: each safety mechanism is switched off, and some seed must notice.
//! `cargo xtask sim show SEED [MECHANISM]`: one seed, with all that happens.

mod mechanisms;
mod seeds;

use std::ops::Range;
use std::path::PathBuf;

use anyhow::Context;

use crate::tools;
use crate::verdict::Verdict;
use seeds::Program;

/// Seeds of a run when no number is given.
const SEEDS: u64 = 20;
/// Seeds of a long run.
const SOAK_SEEDS: u64 = 5000;
/// Seeds that are run twice.
const TWICE: u64 = 2;
/// Below the build's own folder.
const TARGET: &str = "target/sim";

/// Runs what the arguments ask for.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<Verdict> {
    let rest = arguments.get(1..).unwrap_or_default();
    match arguments.first().map(String::as_str) {
        Some("soak") => seeds::all_hold(&build(&["--release"])?, &range(rest.first(), SOAK_SEEDS)?, 0),
        Some("sabotage") => mechanisms::all_are_missed(rest),
        Some("show") => show(rest),
        _ => seeds::all_hold(&build(&[])?, &range(arguments.first(), SEEDS)?, TWICE),
    }
}

/// `20`, `100..200`, or nothing.
fn range(text: Option<&String>, default: u64) -> anyhow::Result<Range<u64>> {
    let Some(text) = text else { return Ok(1..default + 1) };
    let Some((from, to)) = text.split_once("..") else { return Ok(1..text.parse::<u64>()? + 1) };
    Ok(from.parse().context("the first seed")?..to.parse().context("the seed after the last")?)
}

fn show(arguments: &[String]) -> anyhow::Result<Verdict> {
    let seed = arguments.first().context("which seed?")?.parse().context("the seed is a number")?;
    match arguments.get(1) {
        None => build(&[])?.show(seed),
        Some(name) => build(SABOTAGE)?.without(name).playing(mechanisms::script_of(name)).show(seed),
    }
}

const SABOTAGE: &[&str] = &["--features", "sabotage"];

/// Builds the simulation in its own workspace.
fn build(options: &[&str]) -> anyhow::Result<Program> {
    let mut cargo =
        tools::cargo(&["build", "--quiet", "--manifest-path", "sim/Cargo.toml", "--target-dir", TARGET]);
    let status = cargo.args(options).status().context("cannot run cargo")?;
    anyhow::ensure!(status.success(), "the simulation does not build");
    let profile = if options == ["--release"] { "release" } else { "debug" };
    let program: PathBuf = crate::sources::workspace_root().join(TARGET).join(profile).join("muster-sim");
    Ok(Program::new(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_number_or_a_range() {
        let range = |text: &str| range(Some(&text.to_owned()), 9).unwrap();
        assert_eq!((range("3"), range("7..9")), (1..4, 7..9));
        assert_eq!(super::range(None, 2).unwrap(), 1..3);
    }
}
