//! Deterministic simulation of hosts of many groups: the product's coordinators, links and failure detectors on a
//! simulated network, simulated disks and simulated clocks, all on one thread. One process runs one seed.
//!
//! ```text
//!   plan (of the seed) ──▶ world ──▶ turmoil: a runtime per host ── host ── product ── disk
//!                            │ each tick                            └─ clients ──▶ oracle
//!                            ├─ scripts: courses of events that drawn faults seldom meet
//!                            ├─ faults: kills, power losses, cuts, slow links, failing disks
//!                            └─ watch: every replica and directory ──▶ oracle
//! ```
//!
//! `mad-turmoil` takes the place of the C library's clocks and randomness, so that hash maps, ids, time-outs and
//! timestamps follow from the seed too.

mod clients;
mod disk;
mod faults;
mod founding;
mod host;
mod ledger;
mod oracle;
mod plan;
mod scripts;
mod trace;
mod watch;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use muster_allocator as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use plan::Plan;
use scripts::Script;
use trace::Trace;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// `muster-sim SEED DIR [--show] [SCRIPT]`
fn run() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [seed, dir, rest @ ..] = &args[..] else {
        anyhow::bail!("usage: muster-sim SEED DIR [--show] [SCRIPT]")
    };
    let (seed, dir) = (seed.parse::<u64>().context("the seed is a number")?, PathBuf::from(dir));
    anyhow::ensure!(
        is_blank(&dir),
        "{} holds an earlier run, which would change this one: name a new one",
        dir.display()
    );
    let plan = Plan::of(seed).with(script_in(rest)?);
    let trace = Trace::default();
    if rest.iter().any(|arg| arg == "--show") {
        trace.show();
    }
    show_logs();
    world::watch_panics();
    mad_turmoil::rand::set_rng(StdRng::seed_from_u64(seed));
    let _clocks = mad_turmoil::time::SimClocksGuard::init();
    // On a thread of its own: what this one has drawn for its hash maps does not matter.
    let outcome = std::thread::spawn(move || world::run(plan, trace, &dir)).join();
    let outcome = outcome.map_err(|_| anyhow::anyhow!("the simulation itself panicked"))?;
    report(seed, &outcome);
    Ok(if outcome.fault.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn is_blank(dir: &Path) -> bool {
    std::fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none())
}

/// The script that is named, in place of the seed's own.
fn script_in(args: &[String]) -> anyhow::Result<Option<Script>> {
    let Some(name) = args.iter().find(|arg| *arg != "--show") else { return Ok(None) };
    Script::named(name).map(Some).with_context(|| format!("no script `{name}`"))
}

/// The product's own log, if `RUST_LOG` asks for it.
fn show_logs() {
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).without_time().with_ansi(false).init();
    }
}

fn report(seed: u64, outcome: &world::Outcome) {
    let (digest, events) = outcome.digest;
    let counts = outcome.counts;
    println!(
        "seed {seed}: trace {digest:08x} of {events} events, {:.1} s, {} jobs, {} of {} puts acknowledged, {} by what a job began with, {} reads, {} states",
        outcome.simulated.as_secs_f64(),
        outcome.jobs,
        counts.acks,
        counts.puts,
        counts.opened,
        counts.reads,
        counts.states
    );
    println!("seed {seed}: {}", outcome.coverage);
    if let Some(fault) = &outcome.fault {
        println!("seed {seed}: FAULT: {fault}");
    }
}
