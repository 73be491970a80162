//! Attempts that have processes, and results that are owed.

use muster_wire::job::AttemptKey;
use muster_wire::rpc::worker::{ReportShardResult, StartShard};
use muster_wire::{DispatchToken, JobId, NodeRef, Token};
use serde::{Deserialize, Serialize};

use super::Folders;
use super::journal::Journal;
use super::kept::{Change, Kept};

/// Names one attempt of one job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
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

/// The records of a worker. Clones share them; every method blocks on the disk.
#[derive(Clone, Debug)]
pub(crate) struct Records(Journal);

impl Records {
    /// Opens what an earlier start left, or begins.
    pub(crate) fn open(folders: &Folders) -> std::io::Result<Self> {
        Journal::open(&folders.records).map(Self)
    }

    /// Before the process is started. Outlives this process, not a power loss: that ends the shard's process too.
    pub(crate) fn begin(&self, begun: Begun) -> std::io::Result<()> {
        self.0.note(Change::Begun(begun))
    }

    /// The attempt's processes are gone and its result is kept.
    pub(crate) fn end(&self, at: At) {
        self.note(Change::Ended(at));
    }

    /// Keeps a result until [`Records::acknowledged`], also over a power loss.
    pub(crate) fn owe(&self, owed: Owed) -> std::io::Result<()> {
        self.0.note_durably(Change::Owed(Box::new(owed)))
    }

    /// The result is not owed any more.
    pub(crate) fn acknowledged(&self, at: At) {
        self.note(Change::Acknowledged(at));
    }

    /// What an earlier start left, until there are changes.
    pub(crate) fn kept(&self) -> Kept {
        self.0.kept()
    }

    /// What is not noted is found again by the next start, and told once more.
    fn note(&self, change: Change) {
        if let Err(error) = self.0.note(change) {
            tracing::warn!(%error, "cannot note on disk what is over");
        }
    }
}

/// What a worker's records say, for tests.
#[cfg(test)]
pub(crate) fn read(data_dir: &std::path::Path) -> Kept {
    super::journal::read(&data_dir.join(super::folders::RECORDS)).unwrap().0
}
