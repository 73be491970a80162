//! Attempts that have processes, and results that are owed: one file each. Every method blocks on the disk.

use std::path::{Path, PathBuf};

use muster_wire::job::AttemptKey;
use muster_wire::rpc::worker::{ReportShardResult, StartShard};
use muster_wire::{DispatchToken, JobId, NodeRef, Token};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Folders;
use super::sealed::{self, Durability, TEMP};

/// Names one attempt of one job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct At {
    pub(crate) job: JobId,
    pub(crate) key: AttemptKey,
}

impl At {
    pub(crate) const fn new(job: JobId, key: AttemptKey) -> Self {
        Self { job, key }
    }

    /// As part of a file's name, without the job.
    pub(crate) fn short(self) -> String {
        format!("{}-{}-{}", self.key.workflow, self.key.shard, self.key.attempt)
    }

    fn file(self) -> String {
        format!("{}.{}.rec", self.job, self.short())
    }
}

/// An attempt whose processes may run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Begun {
    pub(crate) job: JobId,
    pub(crate) key: AttemptKey,
    pub(crate) token: Token,
    pub(crate) dispatch: DispatchToken,
    pub(crate) manager: NodeRef,
    pub(crate) started_at_ms: u64,
}

impl Begun {
    pub(crate) fn new(order: &StartShard, started_at_ms: u64) -> Self {
        Self {
            job: order.job,
            key: order.key,
            token: order.token,
            dispatch: order.dispatch,
            manager: order.manager.clone(),
            started_at_ms,
        }
    }

    pub(crate) const fn at(&self) -> At {
        At::new(self.job, self.key)
    }
}

/// A result that is not acknowledged.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Owed {
    /// Who led the job when it was written.
    pub(crate) manager: Option<NodeRef>,
    pub(crate) report: ReportShardResult,
}

impl Owed {
    pub(crate) const fn at(&self) -> At {
        At::new(self.report.job, self.report.key)
    }
}

/// The records of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    running: PathBuf,
    results: PathBuf,
}

impl Records {
    pub(crate) fn new(folders: &Folders) -> Self {
        Self { running: folders.running.clone(), results: folders.results.clone() }
    }

    /// Before the process is started. Outlives this process, not a power loss: that ends the shard's process too.
    pub(crate) fn begin(&self, begun: &Begun) -> std::io::Result<()> {
        sealed::write(&self.running.join(begun.at().file()), begun, Durability::Process)
    }

    /// The attempt's processes are gone and its result is kept.
    pub(crate) fn end(&self, at: At) {
        remove(&self.running.join(at.file()));
    }

    /// Keeps a result until [`Records::acknowledged`].
    pub(crate) fn owe(&self, owed: &Owed) -> std::io::Result<()> {
        sealed::write(&self.results.join(owed.at().file()), owed, Durability::Power)
    }

    /// The result is not owed any more.
    pub(crate) fn acknowledged(&self, at: At) {
        remove(&self.results.join(at.file()));
    }

    /// What an earlier start left.
    pub(crate) fn load(&self) -> std::io::Result<(Vec<Begun>, Vec<Owed>)> {
        Ok((load(&self.running)?, load(&self.results)?))
    }
}

fn load<T: DeserializeOwned>(folder: &Path) -> std::io::Result<Vec<T>> {
    let mut values = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        values.extend(load_one(&entry?.path()));
    }
    Ok(values)
}

/// A file that cannot be read is put aside, so that people can look at it.
fn load_one<T: DeserializeOwned>(path: &Path) -> Option<T> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("rec") => {}
        Some(TEMP) => {
            remove(path);
            return None;
        }
        _ => return None,
    }
    let value = sealed::read(path).inspect_err(|why| {
        tracing::error!(path = %path.display(), why, "a record is not readable; it is put aside");
        let _moved = std::fs::rename(path, path.with_extension("bad"));
    });
    value.ok()
}

fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove a record");
        }
        _ => {}
    }
}
