//! Starts an attempt's process: its folder, its context file, its environment, its group.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use muster_wire::rpc::worker::{RunSpec, StartShard};
use serde_json::{Map, Value};
use tokio::process::{Child, Command};

/// Variables of the worker's own environment with this prefix are not given on: they may hold its secrets.
const OWN_PREFIX: &str = "MUSTER_";

/// The part of this process's environment that shards get.
pub(crate) fn inherited() -> Vec<(OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with(OWN_PREFIX)).collect()
}

/// Makes the attempt's folder and its context file.
pub(crate) async fn prepare(folder: &Path, run: &RunSpec) -> std::io::Result<()> {
    tokio::fs::create_dir_all(work_of(folder)).await?;
    let values = run.context.iter().map(|(name, value)| (name.clone(), value.to_json()));
    let text = Value::Object(values.collect::<Map<String, Value>>()).to_string();
    tokio::fs::write(context_of(folder), text).await
}

/// Where the process starts.
pub(crate) fn work_of(folder: &Path) -> std::path::PathBuf {
    folder.join("work")
}

/// What `MUSTER_CONTEXT` names. It also marks the processes of an attempt: the path is used once in a machine.
pub(crate) fn context_of(folder: &Path) -> std::path::PathBuf {
    folder.join("context.json")
}

/// Starts the process as the leader of a group of its own.
pub(crate) fn spawn(
    order: &StartShard,
    folder: &Path,
    inherit: &[(OsString, OsString)],
) -> std::io::Result<Child> {
    let (program, arguments) =
        order.run.command.split_first().ok_or_else(|| std::io::Error::other("the command is empty"))?;
    let mut command = Command::new(found(program, &path_of(order, inherit)));
    command.arg0(program).args(arguments).current_dir(work_of(folder));
    command.env_clear().envs(inherit.iter().cloned()).envs(&order.run.env).envs(own(order));
    command.env("MUSTER_CONTEXT", context_of(folder));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true).spawn()
}

/// The `PATH` that the process will have.
fn path_of(order: &StartShard, inherit: &[(OsString, OsString)]) -> OsString {
    let inherited = || inherit.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
    order.run.env.get("PATH").map(OsString::from).or_else(inherited).unwrap_or_default()
}

/// Where a program without a folder is. With its whole path the process is made without a copy of this one's memory
/// map, which is most of what a small shard costs.
fn found(program: &str, path: &OsStr) -> PathBuf {
    let is_path = program.contains('/');
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute() && !is_path);
    let mut files = folders.map(|folder| folder.join(program)).filter(|file| is_program(file));
    files.next().unwrap_or_else(|| PathBuf::from(program))
}

fn is_program(file: &Path) -> bool {
    let mode = std::fs::metadata(file).map(|about| (about.is_file(), about.permissions().mode()));
    mode.is_ok_and(|(is_file, mode)| is_file & (mode & 0o111 != 0))
}

/// What every process is told about itself.
fn own(order: &StartShard) -> [(&'static str, String); 7] {
    [
        ("MUSTER_JOB_ID", order.job.to_string()),
        ("MUSTER_WORKFLOW", order.run.workflow.clone()),
        ("MUSTER_SHARD", order.key.shard.to_string()),
        ("MUSTER_SHARDS", order.run.shards.to_string()),
        ("MUSTER_ATTEMPT", order.key.attempt.to_string()),
        ("MUSTER_FENCE", order.dispatch.to_string()),
        ("MUSTER_CONTEXT_VERSION", order.run.context_version.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_the_first_folder_that_has_it_and_a_path_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = std::env::join_paths([folder.path(), Path::new("/bin")]).unwrap();
        std::fs::write(folder.path().join("sh"), b"not a program").unwrap();
        assert_eq!(found("sh", &path), Path::new("/bin/sh"));
        assert_eq!(found("./sh", &path), Path::new("./sh"));
        assert_eq!(found("no-such-program", &path), Path::new("no-such-program"));
    }
}
