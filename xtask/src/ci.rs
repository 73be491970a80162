//! `cargo xtask ci [STEPS…]`: every check that is no test, each timed, all of them even when one fails.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::tools::{self, LIZARD, TYPOS, Tool};
use crate::verdict::Verdict;
use crate::{arrows, complexity, sim};

/// One check: its name in the summary, and how it runs.
struct Step {
    name: &'static str,
    run: fn() -> anyhow::Result<Verdict>,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", run: fmt },
    Step { name: "clippy", run: clippy },
    Step { name: "complexity", run: || complexity::run(&[]) },
    Step { name: "arrows", run: || arrows::run(&[]) },
    Step { name: "doc", run: doc },
    Step { name: "typos", run: typos },
    Step { name: "lizard", run: lizard },
    Step { name: "sim", run: || sim::run(&[]) },
];

/// The result of one step, with the time that it took.
struct Outcome {
    name: &'static str,
    verdict: Verdict,
    took: Duration,
}

/// Runs the named steps, or all. Broken when one of them is, or could not run; an unknown name is an error.
pub(crate) fn run(names: &[String]) -> anyhow::Result<Verdict> {
    let outcomes: Vec<_> = chosen(names)?.into_iter().map(outcome_of).collect();
    println!("\n== summary");
    outcomes.iter().for_each(|outcome| println!("{}", summary(outcome)));
    let is_broken = outcomes.iter().any(|outcome| outcome.verdict == Verdict::Broken);
    Ok(if is_broken { Verdict::Broken } else { Verdict::Held })
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Step>> {
    if names.is_empty() {
        return Ok(STEPS.iter().collect());
    }
    names.iter().map(|name| step_named(name)).collect()
}

fn step_named(name: &str) -> anyhow::Result<&'static Step> {
    let known = || STEPS.iter().map(|step| step.name).collect::<Vec<_>>().join(", ");
    STEPS
        .iter()
        .find(|step| step.name == name)
        .with_context(|| format!("no step `{name}`; there are: {}", known()))
}

#[expect(clippy::disallowed_methods, reason = "the checks run in real time, outside the product")]
fn outcome_of(step: &Step) -> Outcome {
    println!("\n== {}", step.name);
    let start = Instant::now();
    let verdict = (step.run)().unwrap_or_else(broken);
    let outcome = Outcome { name: step.name, verdict, took: start.elapsed() };
    println!("{}", summary(&outcome));
    outcome
}

fn broken(error: anyhow::Error) -> Verdict {
    println!("error: {error:#}");
    Verdict::Broken
}

fn summary(outcome: &Outcome) -> String {
    let said = match &outcome.verdict {
        Verdict::Held => "ok".to_owned(),
        Verdict::Broken => "FAILED".to_owned(),
        Verdict::Skipped(reason) => format!("SKIPPED: {reason}"),
    };
    format!("{:<12}{:>7.1} s  {said}", outcome.name, outcome.took.as_secs_f64())
}

/// The simulation is a workspace of its own.
fn fmt() -> anyhow::Result<Verdict> {
    let simulation =
        Verdict::of(&mut tools::cargo(&["fmt", "--manifest-path", "sim/Cargo.toml", "--check"]))?;
    let product = Verdict::of(&mut tools::cargo(&["fmt", "--all", "--check"]))?;
    Ok(if product == Verdict::Held { simulation } else { product })
}

fn clippy() -> anyhow::Result<Verdict> {
    Verdict::of(&mut tools::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn doc() -> anyhow::Result<Verdict> {
    Verdict::of(tools::cargo(&["doc", "--no-deps", "--workspace"]).env("RUSTDOCFLAGS", "-D warnings"))
}

fn typos() -> anyhow::Result<Verdict> {
    with_tool(&TYPOS, |mut typos| Verdict::of(&mut typos))
}

/// Reports only: lizard counts `?` and each arm of a dispatch, which the project's rule does not.
fn lizard() -> anyhow::Result<Verdict> {
    with_tool(&LIZARD, |mut lizard| {
        let output = lizard.args(["-l", "rust", "-C", "4", "crates", "xtask", "tests"]).output()?;
        println!("{}", lizard_report(&String::from_utf8_lossy(&output.stdout)));
        Ok(Verdict::Held)
    })
}

/// Reads the totals that lizard prints last: the fifth number counts functions, the sixth those over the limit.
fn lizard_report(printed: &str) -> String {
    let totals: Vec<_> = printed.lines().last().unwrap_or_default().split_whitespace().collect();
    let [_, _, _, _, functions, over, share, ..] = totals[..] else {
        return "lizard printed no totals".to_owned();
    };
    format!("{over} of {functions} functions (share {share}) are over 4 by lizard's own count")
}

fn with_tool(tool: &Tool, run: fn(Command) -> anyhow::Result<Verdict>) -> anyhow::Result<Verdict> {
    match tool.command() {
        Ok(command) => run(command),
        Err(error) => Ok(Verdict::Skipped(format!("{} cannot be installed: {error:#}", tool.name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_loudly_what_failed_and_what_was_skipped() {
        let line = |verdict| summary(&Outcome { name: "typos", verdict, took: Duration::from_millis(1_250) });
        assert_eq!(line(Verdict::Held), "typos           1.2 s  ok");
        assert!(line(Verdict::Broken).ends_with("FAILED"));
        assert!(line(Verdict::Skipped("no pip".into())).ends_with("SKIPPED: no pip"));
    }

    #[test]
    fn steps_are_chosen_by_name_and_none_means_all() {
        assert_eq!(chosen(&[]).unwrap().len(), STEPS.len());
        assert_eq!(chosen(&["typos".into()]).unwrap()[0].name, "typos");
        assert!(chosen(&["spelling".into()]).is_err());
    }

    #[test]
    fn lizards_totals_become_one_sentence() {
        let printed =
            "Total nloc …\n  3463       5.2     1.6       51.6      333            5      0.02    0.04\n";
        assert_eq!(
            lizard_report(printed),
            "5 of 333 functions (share 0.02) are over 4 by lizard's own count"
        );
        assert_eq!(lizard_report(""), "lizard printed no totals");
    }
}
