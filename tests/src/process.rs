//! One node as an operating-system process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::within;

/// Lines of a process's output that a failed test shows.
const LAST_LINES: usize = 12;

/// The program with every entry point: beside this one, or one folder up from a test.
pub fn program() -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    let folders = this.ancestors().skip(1).take(2);
    let mut programs = folders.map(|folder| folder.join("muster-under-test"));
    programs.find(|program| program.exists()).unwrap_or_default()
}

/// A started process; killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// What to start.
pub struct Program<'a> {
    /// The node's name.
    pub name: &'a str,
    /// `gate`, `manager`, `worker` or `muster`.
    pub role: &'a str,
    /// Behind the role.
    pub args: &'a [String],
    /// The network namespace that it runs in, if not this one.
    pub namespace: Option<String>,
    /// Beside what is inherited.
    pub environment: &'a [(&'a str, &'a str)],
}

/// The program, in a namespace. `ip` replaces itself by it, so that signals meet the program.
fn command_in(namespace: Option<&str>) -> Command {
    let Some(namespace) = namespace else { return Command::new(program()) };
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program());
    command
}

impl Process {
    /// Starts a program with its output appended to a log file.
    pub fn start(what: Program<'_>, log: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log).context("open the log")?;
        let child = command_in(what.namespace.as_deref())
            .arg(what.role)
            .args(what.args)
            .envs(what.environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("start {}", what.name))?;
        Ok(Self { name: what.name.to_owned(), child, log: log.to_path_buf() })
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(0)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.pid()), signal).with_context(|| format!("{signal} to {}", self.name))
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for its end.
    pub async fn exit(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let name = self.name.clone();
        let child = &mut self.child;
        let mut ask = || {
            let status = child.try_wait().ok().flatten();
            async move { status.ok_or_else(|| "still running".to_owned()) }
        };
        within(patience, &format!("the end of {name}"), &mut ask).await
    }

    /// What it wrote so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The kernel's word for its state, and the end of what it wrote.
    pub fn last_words(&self) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let state = status.lines().find(|line| line.starts_with("State:")).unwrap_or("State: gone");
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let tail =
            lines.iter().skip(lines.len().saturating_sub(LAST_LINES)).map(|line| format!("\n    {line}"));
        format!("{state}{}", tail.collect::<String>())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
