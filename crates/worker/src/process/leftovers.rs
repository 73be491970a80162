//! Processes that an earlier start of this worker left behind. They are known by their environment: `MUSTER_CONTEXT`
//! names a file of this worker's own folder, so no other process is ever meant.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid, getpgrp};

/// How often the table of processes is read again for children born meanwhile.
const ROUNDS: usize = 20;
const ROUND: Duration = Duration::from_millis(50);

/// Kills every process whose context file lies under `jobs`, with its group, until none is left. Says how many met.
pub(crate) async fn kill_all(jobs: &Path) -> usize {
    let mut met = BTreeSet::new();
    for _ in 0..ROUNDS {
        let found = find(jobs);
        if found.is_empty() {
            break;
        }
        found.iter().for_each(|pid| kill_with_group(*pid));
        met.extend(found);
        tokio::time::sleep(ROUND).await;
    }
    met.len()
}

/// Kills what one start of a worker has left, for as long as more is found. Blocks.
pub(crate) fn kill_started(jobs: &Path, mark: &str) {
    for _ in 0..ROUNDS {
        let found: Vec<Pid> = find(jobs).into_iter().filter(|pid| has(*pid, mark.as_bytes())).collect();
        if found.is_empty() {
            return;
        }
        found.iter().for_each(|pid| kill_with_group(*pid));
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "a watchdog has one thread and no runtime")]
fn pause() {
    std::thread::sleep(ROUND);
}

/// Processes of attempts whose folders lie under `jobs`. Without `/proc` none are found.
pub(crate) fn find(jobs: &Path) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_of(*pid, jobs)).map(Pid::from_raw).collect()
}

fn is_of(pid: i32, jobs: &Path) -> bool {
    let prefix = [b"MUSTER_CONTEXT=", jobs.as_os_str().as_bytes(), b"/"].concat();
    environment(pid).split(|byte| *byte == 0).any(|entry| entry.starts_with(&prefix))
}

fn has(pid: Pid, entry: &[u8]) -> bool {
    environment(pid.as_raw()).split(|byte| *byte == 0).any(|known| known == entry)
}

fn environment(pid: i32) -> Vec<u8> {
    std::fs::read(PathBuf::from("/proc").join(pid.to_string()).join("environ")).unwrap_or_default()
}

fn kill_with_group(pid: Pid) {
    let group = getpgid(Some(pid)).ok().filter(|group| *group != getpgrp() && group.as_raw() > 1);
    let killed = match group {
        Some(group) => killpg(group, Signal::SIGKILL),
        None => kill(pid, Signal::SIGKILL),
    };
    tracing::info!(pid = pid.as_raw(), ok = killed.is_ok(), "killed a process left by an earlier start");
}
