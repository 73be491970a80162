//! Starts an attempt's process: its folder, its context file, its environment, its group.

use std::ffi::OsString;
use std::path::Path;
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
    let mut command = Command::new(program);
    command.args(arguments).current_dir(work_of(folder));
    command.env_clear().envs(inherit.iter().cloned()).envs(&order.run.env).envs(own(order));
    command.env("MUSTER_CONTEXT", context_of(folder));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true).spawn()
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
