//! What a killed worker leaves running is killed with it: a second process waits at the end of a pipe, and when the
//! worker's end closes without it, kills what the worker had started. No process is asked to do anything for this, and
//! a worker that is only paused keeps its end open.
//!
//! The watchdog is the same program, told by its environment what it is. Should it be killed as well, the worker's next
//! start does its work.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use crate::process::leftovers;

/// Names the folder of the attempts, in the environment of a watchdog.
const FOLDER: &str = "MUSTER_WATCHDOG_OF";
/// Names the worker's start, in the environment of a watchdog and of every attempt.
pub(crate) const START: &str = "MUSTER_WORKER_START";

/// The worker's end of the pipe. Dropped, it lets the watchdog go.
#[derive(Debug)]
pub(crate) struct Watchdog(#[expect(dead_code, reason = "its pipe is what the watchdog waits for")] Child);

/// Starts the watchdog of a worker's start. Only a program of its own has one: `arguments` are the program's.
pub(crate) fn start(arguments: &[OsString], jobs: &Path, start: &str) -> Option<Watchdog> {
    let spawned = spawn(arguments, jobs, start);
    let spawned = spawned.inspect_err(|error| {
        tracing::warn!(%error, "no watchdog: what a kill of this worker leaves runs until its next start");
    });
    spawned.ok().map(Watchdog)
}

fn spawn(arguments: &[OsString], jobs: &Path, start: &str) -> std::io::Result<Child> {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).env(FOLDER, jobs).env(START, start);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0).spawn()
}

/// Is this process a watchdog? Then it is one until the end.
pub(crate) fn run_if_told() -> Option<ExitCode> {
    let jobs = PathBuf::from(std::env::var_os(FOLDER)?);
    let start = std::env::var(START).unwrap_or_default();
    let mut end = Vec::new();
    // Nothing is ever written: this returns when the worker's end is closed.
    let _closed = std::io::stdin().read_to_end(&mut end);
    leftovers::kill_started(&jobs, &format!("{START}={start}"));
    Some(ExitCode::SUCCESS)
}
