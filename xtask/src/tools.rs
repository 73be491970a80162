//! The programs that the gates call: cargo, and two from PyPI in an environment of the build's own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::sources;

/// A program published as a Python wheel: its name there, and the version that the gates were written for.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

/// Finds misspelt words.
pub(crate) const TYPOS: Tool = Tool { name: "typos", version: "1.52.0" };

/// Counts complexity by its own rule, as an outside view.
pub(crate) const LIZARD: Tool = Tool { name: "lizard", version: "1.24.3" };

/// A cargo call in the workspace's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(sources::workspace_root());
    command
}

/// A call of one of the failure detector's programs, built with optimisations in the workspace of its own.
pub(crate) fn swim_program(name: &str) -> Command {
    let workspace = ["--manifest-path", "benches/swim/Cargo.toml", "--target-dir", "target/benches"];
    let mut command = cargo(&["run", "--release", "--quiet"]);
    command.args(workspace).args(["--bin", name, "--"]);
    command
}

impl Tool {
    /// A call of the tool in the workspace's root: the one on `PATH`, else one installed below the build folder.
    /// The error says why there is none.
    pub(crate) fn command(&self) -> anyhow::Result<Command> {
        let program = self.on_path().map_or_else(|| self.installed(), Ok)?;
        let mut command = Command::new(program);
        command.current_dir(sources::workspace_root());
        Ok(command)
    }

    fn on_path(&self) -> Option<PathBuf> {
        let folders = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&folders).map(|folder| folder.join(self.name)).find(|path| path.is_file())
    }

    fn installed(&self) -> anyhow::Result<PathBuf> {
        let environment = build_folder().join("xtask-tools");
        let program = environment.join("bin").join(self.name);
        if !program.is_file() {
            self.install(&environment)?;
        }
        Ok(program)
    }

    fn install(&self, environment: &Path) -> anyhow::Result<()> {
        let pip = environment.join("bin/pip");
        if !pip.is_file() {
            succeed(Command::new("python3").args(["-m", "venv"]).arg(environment))?;
        }
        let wheel = format!("{}=={}", self.name, self.version);
        succeed(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check", &wheel]))
    }
}

/// Runs the command without its output; anything but success is an error that quotes what it complained of.
fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?} failed: {}", complaint.trim());
    Ok(())
}

/// Where cargo puts what it builds.
pub(crate) fn build_folder() -> PathBuf {
    let named = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    named.unwrap_or_else(|| sources::workspace_root().join("target"))
}
