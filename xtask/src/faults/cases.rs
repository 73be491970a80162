//! The ways to fail.

use std::path::Path;
use std::process::Child;
use std::sync::mpsc;
use std::time::Duration;

use super::ground::{Ground, must, must_refuse};

/// Acknowledgements after which a fault strikes.
const LINES: usize = 400;
const POLLS_MAX: usize = 6000;
const POLL: Duration = Duration::from_millis(10);
/// `EXT4_IOC_SHUTDOWN` without flushing the journal: what a power cut leaves.
const SHUTDOWN: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// The n-th `fdatasync` fails, early and late.
pub(super) fn failed_syncs(ground: &Ground) -> anyhow::Result<String> {
    let mut said = Vec::new();
    for when in [4, 9, 40, 333] {
        let folder = ground.folder(&format!("eio-{when}"))?;
        let (log, acks) = (folder.join("log"), folder.join("acks"));
        let inject = format!("inject=fdatasync:error=EIO:when={when}+");
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", &inject];
        let wrapper: Vec<String> = strace.iter().map(|word| (*word).to_owned()).collect();
        let refused = must_refuse(ground.load(&wrapper, &log, &acks)?, &acks)?;
        anyhow::ensure!(refused.starts_with("failed: "), "{refused}");
        said.push(check_if_any(ground, &log, &acks)?);
    }
    Ok(format!("fdatasync failed with EIO; {}", said.join("; ")))
}

/// A fault may strike before the first acknowledgement.
fn check_if_any(ground: &Ground, log: &Path, acks: &Path) -> anyhow::Result<String> {
    match count_lines(acks) > 1 {
        true => ground.check(log, acks),
        false => Ok("acknowledged 0".to_owned()),
    }
}

/// No space on a small tmpfs: the load is refused, and all is there once there is room again.
pub(super) fn full_tmpfs(ground: &Ground) -> anyhow::Result<String> {
    let folder = ground.folder("full")?;
    let (mount, acks) = (ground.folder("full/disk")?, folder.join("acks"));
    let point = mount.display().to_string();
    must(&["mount", "-t", "tmpfs", "-o", "size=6m", "none", &point])?;
    let log = mount.join("log");
    let refused = must_refuse(ground.load(&[], &log, &acks)?, &acks)?;
    anyhow::ensure!(refused.contains("queue is full"), "{refused}");
    must(&["mount", "-o", "remount,size=64m", &point])?;
    let said = ground.check(&log, &acks)?;
    must(&["umount", &point])?;
    Ok(format!("a tmpfs of 6 MiB was full: {refused}; {said}"))
}

/// An ext4 on a loop device loses all that was not synced, in the middle of the load.
pub(super) fn power_cuts(ground: &Ground) -> anyhow::Result<String> {
    let mut said = Vec::new();
    for round in 0..3 {
        let folder = ground.folder(&format!("power-{round}"))?;
        let (image, mount) = (folder.join("image"), ground.folder(&format!("power-{round}/disk"))?);
        let (image, point) = (image.display().to_string(), mount.display().to_string());
        must(&["truncate", "-s", "128M", &image])?;
        must(&["mkfs.ext4", "-q", "-F", &image])?;
        must(&["mount", "-o", "loop", &image, &point])?;
        let (log, acks) = (mount.join("log"), folder.join("acks"));
        let child = ground.load(&[], &log, &acks)?;
        let child = after_lines(child, &acks, LINES * (round + 1))?;
        must(&["python3", "-c", SHUTDOWN, &point])?;
        must_refuse(child, &acks)?;
        must(&["umount", &point])?;
        must(&["mount", "-o", "loop", &image, &point])?;
        said.push(ground.check(&log, &acks)?);
        must(&["umount", &point])?;
    }
    Ok(format!("power was cut under an ext4; {}", said.join("; ")))
}

/// The process is killed, again and again on the same log.
pub(super) fn kills(ground: &Ground) -> anyhow::Result<String> {
    let folder = ground.folder("kill")?;
    let (log, acks) = (folder.join("log"), folder.join("acks"));
    let mut said = String::new();
    for round in 1..=5 {
        let child = ground.load(&[], &log, &acks)?;
        let mut child = after_lines(child, &acks, LINES * round)?;
        child.kill()?;
        child.wait()?;
        said = ground.check(&log, &acks)?;
    }
    Ok(format!("killed 5 times; at last {said}"))
}

/// Waits until the load has printed so many lines.
fn after_lines(mut child: Child, acks: &Path, lines: usize) -> anyhow::Result<Child> {
    let (_keep, never) = mpsc::channel::<()>();
    for _ in 0..POLLS_MAX {
        if count_lines(acks) >= lines {
            return Ok(child);
        }
        let _timed_out = never.recv_timeout(POLL);
    }
    child.kill()?;
    anyhow::bail!("the load acknowledged too little in time")
}

fn count_lines(acks: &Path) -> usize {
    std::fs::read(acks).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
}
