//! Runs seeds, several at a time, each in a process of its own.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::verdict::Verdict;

/// Between two looks at a seed that runs.
const LOOK: Duration = Duration::from_millis(5);
/// A seed that still runs after so many looks hangs: a usual one takes seconds. While the checks are stopped, as seeds
/// beside them may be, nobody looks, so that is not counted.
const LOOKS: u32 = 60_000;
/// Seeds between two lines about how far a long run is.
const TOLD_EVERY: u64 = 250;

/// The built simulation.
#[derive(Clone)]
pub(super) struct Program {
    path: PathBuf,
    without: Option<String>,
    script: Option<&'static str>,
}

/// What one seed said, and whether everything held.
pub(super) struct Told {
    pub(super) line: String,
    pub(super) fault: Option<String>,
}

impl Program {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, without: None, script: None }
    }

    /// With a safety mechanism switched off.
    pub(super) fn without(mut self, mechanism: &str) -> Self {
        self.without = Some(mechanism.to_owned());
        self
    }

    /// With a script in place of the seed's own.
    pub(super) fn playing(self, script: Option<&'static str>) -> Self {
        Self { script, ..self }
    }

    fn command(&self, seed: u64, dir: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(seed.to_string()).arg(dir).args(self.script);
        if let Some(mechanism) = &self.without {
            command.env("MUSTER_SABOTAGE", mechanism);
        }
        command
    }

    /// One seed, with all that happens.
    pub(super) fn show(&self, seed: u64) -> anyhow::Result<Verdict> {
        let dir = folder(seed);
        let status = self.command(seed, &dir).arg("--show").status().context("cannot run the simulation")?;
        drop(std::fs::remove_dir_all(&dir));
        Ok(Verdict::from_status(status))
    }

    /// One seed. An error when it could not run.
    pub(super) fn run(&self, seed: u64) -> anyhow::Result<Told> {
        let dir = folder(seed);
        let child = self.command(seed, &dir).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let child = child.context("cannot run the simulation")?;
        let told = told(child, seed);
        drop(std::fs::remove_dir_all(&dir));
        told
    }
}

fn told(mut child: Child, seed: u64) -> anyhow::Result<Told> {
    if !ends(&mut child)? {
        child.kill()?;
        child.wait()?;
        return Ok(Told { line: String::new(), fault: Some(format!("seed {seed}: FAULT: it hangs")) });
    }
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let fault = text.lines().find(|line| line.contains("FAULT")).map(str::to_owned);
    let ended = format!("seed {seed}: FAULT: the simulation ended with {}", output.status);
    let fault = if output.status.success() { None } else { Some(fault.unwrap_or(ended)) };
    Ok(Told { line: text.lines().next().unwrap_or_default().to_owned(), fault })
}

#[expect(clippy::disallowed_methods, reason = "the checks run in real time, outside the product")]
fn ends(child: &mut Child) -> anyhow::Result<bool> {
    for _ in 0..LOOKS {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        thread::sleep(LOOK);
    }
    Ok(false)
}

/// In memory where there is such a place.
fn folder(seed: u64) -> PathBuf {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let memory = PathBuf::from("/dev/shm");
    let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    base.join(format!("muster-sim-{}-{seed}-{run}", std::process::id()))
}

/// Broken when any seed finds a fault, or one of the first `twice` leaves another trace the second time.
pub(super) fn all_hold(program: &Program, seeds: &Range<u64>, twice: u64) -> anyhow::Result<Verdict> {
    let (next, faults) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    let note = |fault: String| {
        println!("{fault}");
        faults.lock().map(|mut faults| faults.push(fault)).unwrap_or_default();
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = take(&next, seeds.end) {
                    check(program, seed, seed < seeds.start + twice).into_iter().for_each(note);
                    tell(seed - seeds.start + 1);
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap_or_default();
    println!("{} seeds, {} with a fault", seeds.end.saturating_sub(seeds.start), faults.len());
    faults.iter().for_each(|fault| println!("{fault}"));
    Ok(if faults.is_empty() { Verdict::Held } else { Verdict::Broken })
}

fn take(next: &AtomicU64, end: u64) -> Option<u64> {
    let seed = next.fetch_add(1, Ordering::Relaxed);
    (seed < end).then_some(seed)
}

fn tell(done: u64) {
    if done.is_multiple_of(TOLD_EVERY) {
        println!("{done} seeds");
    }
}

fn check(program: &Program, seed: u64, is_twice: bool) -> Option<String> {
    let first = match program.run(seed) {
        Ok(told) => told,
        Err(error) => return Some(format!("seed {seed}: {error:#}")),
    };
    if first.fault.is_some() || !is_twice {
        return first.fault;
    }
    let second = program.run(seed).map_or_else(|error| error.to_string(), |told| told.line);
    println!("{second}");
    (first.line != second)
        .then(|| format!("seed {seed}: FAULT: two runs differ: {} and {second}", first.line))
}
