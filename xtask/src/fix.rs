//! `cargo xtask fix`: what the tools can repair by themselves.

use crate::tools;
use crate::verdict::Verdict;

const CLIPPY: &[&str] =
    &["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"];
const FMT: &[&str] = &["fmt", "--all"];

/// Applies clippy's suggestions, then formats, also when clippy could not build; takes no arguments.
pub(crate) fn run(_: &[String]) -> anyhow::Result<Verdict> {
    let outcomes = [call(CLIPPY)?, call(FMT)?];
    let is_broken = outcomes.contains(&Verdict::Broken);
    Ok(if is_broken { Verdict::Broken } else { Verdict::Held })
}

fn call(arguments: &[&str]) -> anyhow::Result<Verdict> {
    Verdict::of(&mut tools::cargo(arguments))
}
