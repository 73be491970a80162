//! The settings of a group's Raft instance.

use std::sync::Arc;

use muster_runtime::is_sabotaged;
use openraft::{Config, SnapshotPolicy, StepDownPolicy};

use crate::config::Timing;
use crate::error::StartError;

/// Entries kept in the log behind a snapshot: a new leader probes its followers in steps of eight.
const LOG_KEPT: u64 = 100;
/// Entries of one append; their bytes are bounded by the log reader.
const BATCH_ENTRIES: u64 = 1024;
/// A follower further behind than this is sent a snapshot.
const LAG_MAX: u64 = 20_000;
/// A whole snapshot may take this long, ms.
const SNAPSHOT_MS: u64 = 120_000;
/// A removed leader goes after this, ms.
const STEP_DOWN_MS: u64 = 1000;
/// The directory's heartbeat in those of a job's group: it is always awake, so its timers, five a heartbeat, are most of
/// what wakes an idle node; and its lease lasts ten heartbeats of a job's group.
const DIRECTORY_HEARTBEATS: u64 = 2;
/// Calls waiting for one instance.
const API_QUEUE: u64 = 1024;
/// Notifications waiting for one instance.
const NOTIFICATION_QUEUE: u64 = 4096;
/// Commands waiting for one state machine.
const MACHINE_QUEUE: u64 = 256;
/// Entries whose stages are timed: nobody asks, and openraft's room for 1,024 is a sixth of an awake group's memory.
const STAGES_KEPT: u64 = 1;

/// The three settings that occur, shared by all groups.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The directory: Raft's own timers are on.
    pub(crate) directory: Arc<Config>,
    /// A job's group in the run that has just made its birth durable: the birth leader leads at once.
    pub(crate) born: Arc<Config>,
    /// A job's group that was there before: a restored leader could reuse an acknowledged log id, so it must be elected.
    pub(crate) reloaded: Arc<Config>,
}

impl Settings {
    pub(crate) fn new(timing: Timing) -> Result<Self, StartError> {
        let job = Config { enable_tick: false, ..base(timing) };
        let restored = Some(is_sabotaged("leader-restore"));
        let slower = Timing { heartbeat_ms: timing.heartbeat_ms * DIRECTORY_HEARTBEATS, ..timing };
        let directory = checked(Config { enable_leader_restore: restored, ..base(slower) })?;
        let born = checked(Config { enable_leader_restore: Some(true), ..job.clone() })?;
        let reloaded = checked(Config { enable_leader_restore: restored, ..job })?;
        Ok(Self { directory, born, reloaded })
    }
}

fn base(timing: Timing) -> Config {
    Config {
        cluster_name: "muster".into(),
        election_timeout_min: timing.election_min_ms,
        election_timeout_max: timing.election_max_ms,
        heartbeat_interval: timing.heartbeat_ms,
        install_snapshot_timeout: SNAPSHOT_MS,
        snapshot_policy: SnapshotPolicy::Never,
        replication_lag_threshold: LAG_MAX,
        max_payload_entries: BATCH_ENTRIES,
        max_in_snapshot_log_to_keep: LOG_KEPT,
        purge_batch_size: LOG_KEPT,
        api_channel_size: Some(API_QUEUE),
        notification_channel_size: Some(NOTIFICATION_QUEUE),
        state_machine_channel_size: Some(MACHINE_QUEUE),
        log_stage_capacity: Some(STAGES_KEPT),
        removed_leader_step_down: StepDownPolicy::After(STEP_DOWN_MS),
        quorum_loss_probe_interval: None,
        enable_pre_vote: Some(true),
        allow_log_reversion: None,
        ..Config::default()
    }
}

fn checked(config: Config) -> Result<Arc<Config>, StartError> {
    config.validate().map(Arc::new).map_err(|error| StartError::Config(error.to_string()))
}
