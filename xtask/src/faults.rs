//! `cargo xtask faults [NAMES…]`: the write-ahead log on real files that really fail. Each case runs a load that prints
//! what was acknowledged, lets the files fail under it, and looks for all of that afterwards.

mod cases;
mod ground;

use anyhow::Context;

use crate::tools;
use crate::verdict::Verdict;
use ground::Ground;

/// One way to fail.
struct Case {
    name: &'static str,
    run: fn(&Ground) -> anyhow::Result<String>,
}

const CASES: &[Case] = &[
    Case { name: "eio", run: cases::failed_syncs },
    Case { name: "full", run: cases::full_tmpfs },
    Case { name: "power", run: cases::power_cuts },
    Case { name: "kill", run: cases::kills },
];

const BUILD: &[&str] = &["build", "--quiet", "-p", "muster-wal", "--example", "log_load"];

/// Runs the named cases, or all. Skipped, loudly, without the rights and programs that they need.
pub(crate) fn run(names: &[String]) -> anyhow::Result<Verdict> {
    if let Some(lack) = ground::lack() {
        println!("SKIPPED: no real faults were injected: {lack}");
        return Ok(Verdict::Skipped(lack));
    }
    let built = tools::cargo(BUILD).status().context("cannot run cargo")?;
    anyhow::ensure!(built.success(), "the build failed");
    let ground = Ground::new()?;
    let chosen = CASES.iter().filter(|case| names.is_empty() || names.iter().any(|name| name == case.name));
    let outcomes: Vec<bool> = chosen.map(|case| holds(case, &ground)).collect();
    Ok(if outcomes.contains(&false) { Verdict::Broken } else { Verdict::Held })
}

fn holds(case: &Case, ground: &Ground) -> bool {
    match (case.run)(ground) {
        Ok(said) => {
            println!("{:<8} ok      {said}", case.name);
            true
        }
        Err(error) => {
            println!("{:<8} FAILED  {error:#}", case.name);
            false
        }
    }
}
