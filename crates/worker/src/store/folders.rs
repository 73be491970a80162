//! Where everything is.

use std::path::{Path, PathBuf};

use muster_wire::JobId;

use super::records::At;

/// The file of what runs and what is owed, in `data_dir`.
pub(super) const RECORDS: &str = "records";

/// The folders of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    /// Attempts' folders by job.
    pub(crate) jobs: PathBuf,
    /// Logs by job.
    pub(crate) logs: PathBuf,
    /// The file of what runs and what is owed.
    pub(crate) records: PathBuf,
    /// A file that is there while the worker drains.
    pub(crate) draining: PathBuf,
}

impl Folders {
    /// Makes them. Paths are absolute, so that processes can use them wherever they start. Blocks.
    pub(crate) fn make(data_dir: &Path, log_dir: Option<&Path>) -> std::io::Result<Self> {
        std::fs::create_dir_all(data_dir)?;
        let data_dir = data_dir.canonicalize()?;
        let logs = log_dir.map_or_else(|| data_dir.join("logs"), Path::to_path_buf);
        std::fs::create_dir_all(&logs)?;
        let folders = Self {
            jobs: data_dir.join("jobs"),
            logs: logs.canonicalize()?,
            records: data_dir.join(RECORDS),
            draining: data_dir.join("draining"),
        };
        std::fs::create_dir_all(&folders.jobs)?;
        Ok(folders)
    }

    /// The folder of one job's attempts.
    pub(crate) fn job(&self, job: JobId) -> PathBuf {
        self.jobs.join(job.to_string())
    }

    /// The folder of one attempt.
    pub(crate) fn attempt(&self, at: At) -> PathBuf {
        self.job(at.job).join(at.short())
    }

    /// The log of one attempt.
    pub(crate) fn log(&self, at: At) -> PathBuf {
        self.logs.join(at.job.to_string()).join(format!("{}.log", at.short()))
    }
}
