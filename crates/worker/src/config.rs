//! The bounds of a worker, from the node's configuration.

use std::path::PathBuf;
use std::time::Duration;

use muster_node::Config;

use crate::core::Limits;

/// What a worker's shell is configured with.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// The bounds of the core.
    pub limits: Limits,
    /// Where logs are kept; `None`: below the data directory.
    pub log_dir: Option<PathBuf>,
    /// One attempt's log, bytes: half of it for its head, half for its tail.
    pub log_bytes_max: usize,
    /// Logs of a job that is over are kept for so long.
    pub log_retention: Duration,
    /// All logs, bytes; the oldest make room.
    pub logs_bytes_max: u64,
    /// An owed result of a job that every manager says not to know is dropped after so long.
    pub unknown_keep: Duration,
}

impl WorkerConfig {
    /// The configuration's `[worker]`, and the fixed bounds.
    pub fn new(config: &Config) -> Self {
        let limits = Limits {
            cores: config.worker.cores,
            hold: Duration::from_secs(10),
            gang_pause: Duration::from_secs(2),
            orphan_grace: config.worker.orphan_grace,
            results_max: 1_000,
            jobs_max: 10_000,
            job_keep: Duration::from_secs(24 * 3600),
        };
        Self {
            limits,
            log_dir: config.worker.log_dir.clone(),
            log_bytes_max: 1 << 20,
            log_retention: Duration::from_secs(3600),
            logs_bytes_max: 1 << 30,
            unknown_keep: Duration::from_secs(600),
        }
    }
}
