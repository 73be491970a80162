//! Folders, mounts and the program under test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::Context;

use crate::tools;

/// What is missing for faults to be injected here.
pub(super) fn lack() -> Option<String> {
    let user = Command::new("id").arg("-u").output().map(|output| output.stdout).unwrap_or_default();
    if user.trim_ascii() != b"0" {
        return Some("mounting and tracing need root".to_owned());
    }
    let needed = ["strace", "mkfs.ext4", "mount", "umount", "python3"];
    let is_there = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
    let missing = needed.iter().find(|name| !is_there(name))?;
    Some(format!("`{missing}` is not installed"))
}

/// Where everything happens; what is mounted there is unmounted at the end.
pub(super) struct Ground {
    base: PathBuf,
    program: PathBuf,
}

impl Ground {
    pub(super) fn new() -> anyhow::Result<Self> {
        let build = tools::build_folder();
        let base = build.join("faults");
        let ground = Self { program: build.join("debug/examples/log_load"), base };
        ground.unmount_all();
        let _ignored = std::fs::remove_dir_all(&ground.base);
        std::fs::create_dir_all(&ground.base)?;
        Ok(ground)
    }

    /// A new folder.
    pub(super) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.base.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The load, writing to a log, under another program if any; what it prints goes to a file.
    pub(super) fn load(&self, wrapper: &[String], log: &Path, acks: &Path) -> anyhow::Result<Child> {
        let mut words = wrapper.iter().cloned().chain([self.program.display().to_string()]);
        let first = words.next().context("no program")?;
        let mut command = Command::new(first);
        command.args(words).arg("write").arg(log);
        command.stdout(File::create(acks)?).stderr(File::create(acks.with_extension("err"))?);
        Ok(command.spawn()?)
    }

    /// Looks for everything acknowledged in a log; an error when anything is gone or the log does not open.
    pub(super) fn check(&self, log: &Path, acks: &Path) -> anyhow::Result<String> {
        let mut command = Command::new(&self.program);
        let output = command.arg("check").arg(log).stdin(File::open(acks)?).output()?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        anyhow::ensure!(output.status.success(), "{said} {complaint}");
        anyhow::ensure!(!said.starts_with("acknowledged 0 "), "nothing was acknowledged before the fault");
        Ok(said)
    }

    fn unmount_all(&self) {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        let base = self.base.display().to_string();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for point in points.filter(|point| point.starts_with(&base)) {
            let _ignored = Command::new("umount").args(["-l", point]).status();
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.unmount_all();
    }
}

/// Runs a program that must succeed.
pub(super) fn must(words: &[&str]) -> anyhow::Result<Output> {
    let (first, rest) = words.split_first().context("no program")?;
    let output = Command::new(first).args(rest).stdin(Stdio::null()).output()?;
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    anyhow::ensure!(output.status.success(), "{words:?} failed: {complaint}");
    Ok(output)
}

/// The load must have ended by itself, saying why: a failed log, not a crash and not success.
pub(super) fn must_refuse(mut child: Child, acks: &Path) -> anyhow::Result<String> {
    let status = child.wait()?;
    let said = std::fs::read_to_string(acks.with_extension("err"))?;
    let last = said.lines().rfind(|line| line.contains("failed: ") || line.contains("refused: "));
    anyhow::ensure!(status.code() == Some(3), "the load ended with {status}: {said}");
    last.map(ToOwned::to_owned).with_context(|| format!("no clear message: {said}"))
}
