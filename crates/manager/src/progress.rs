//! Progress on its way into the log: kept in memory, at most one entry per job and second.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imbl::OrdMap;
use muster_runtime::TaskKind;
use muster_wire::job::{AttemptKey, AttemptState, StatTotals};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::worker::{ProgressRow, ReportShardProgress};
use muster_wire::{JobId, NodeId};
use tokio::time::Instant;

use crate::draft::Draft;
use crate::machine::commands::{AttemptProgress, FlushStatsWindow, UpdateWorkflowProgress};
use crate::machine::{Progress, WINDOW_MS, WindowRow};
use crate::settle::{settle_job, settle_workflows};
use crate::shared::Shared;
use crate::windows::{Closing, Offsets, Windows, align};

const FLUSH: TaskKind = TaskKind::new("progress_desk");
/// Time between two entries of one job.
const PERIOD: Duration = Duration::from_secs(1);
/// Rows that wait for one job; more are `Busy`.
const ROWS_MAX: usize = 20_000;
/// Rows in one entry.
const ENTRY_ROWS_MAX: usize = 4_000;

/// Windows of numbers that wait for one job; more are `Busy`.
const WINDOWS_MAX: usize = 8_192;

/// What waits, by job.
#[derive(Default)]
pub(crate) struct ProgressDesk {
    trays: Mutex<HashMap<JobId, Tray>>,
    offsets: Mutex<Offsets>,
}

#[derive(Default)]
struct Tray {
    rows: BTreeMap<AttemptKey, AttemptProgress>,
    windows: Windows,
    flushing: bool,
    flushed_at: Option<Instant>,
}

impl ProgressDesk {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Tray>> {
        self.trays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offset(&self, report: &ReportShardProgress, unix_ms: u64) -> i64 {
        let mut offsets = self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        offsets.learn(&report.worker, (report.clock_ms, unix_ms))
    }

    /// Changes a job's tray; `true`: a flush has to be started.
    fn put(&self, job: JobId, change: impl FnOnce(&mut Tray)) -> Result<bool, RpcError> {
        let mut trays = self.lock();
        let tray = trays.entry(job).or_default();
        if (tray.rows.len() >= ROWS_MAX) | (tray.windows.len() >= WINDOWS_MAX) {
            metrics::counter!("muster_queue_rejected_total", "queue" => "progress").increment(1);
            return Err(RpcError::Busy { retry_after_ms: 1_000 });
        }
        change(tray);
        Ok(!std::mem::replace(&mut tray.flushing, true))
    }

    /// How long the next entry has to wait.
    fn pause(&self, job: JobId, now: Instant) -> Duration {
        let flushed_at = self.lock().get(&job).and_then(|tray| tray.flushed_at);
        flushed_at.map_or(Duration::ZERO, |at| (at + PERIOD).saturating_duration_since(now))
    }

    fn take(&self, job: JobId, now: Instant, unix_ms: u64) -> (Vec<AttemptProgress>, Vec<WindowRow>) {
        let mut trays = self.lock();
        let Some(tray) = trays.get_mut(&job) else { return Default::default() };
        tray.flushed_at = Some(now);
        let rows = std::mem::take(&mut tray.rows).into_values().collect();
        (rows, tray.windows.close(unix_ms, Closing::Over))
    }

    /// Is nothing left to be flushed? Then the next report starts a flush.
    fn is_flushed(&self, job: JobId) -> bool {
        let mut trays = self.lock();
        let Some(tray) = trays.get_mut(&job) else { return true };
        tray.flushing = !(tray.rows.is_empty() & tray.windows.is_empty());
        !tray.flushing
    }

    /// The windows of a job that ends with the entry that takes them.
    pub(crate) fn last_windows(&self, job: JobId) -> Vec<WindowRow> {
        let mut trays = self.lock();
        trays.get_mut(&job).map(|tray| tray.windows.close(0, Closing::All)).unwrap_or_default()
    }

    /// Forgets the clocks of workers that are not there any more.
    pub(crate) fn keep_workers(&self, is_there: impl Fn(NodeId) -> bool) {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner).keep(is_there);
    }

    /// Forgets jobs that are not led here any more.
    pub(crate) fn keep(&self, led: &OrdMap<JobId, u64>) {
        self.lock().retain(|job, _| led.contains_key(job));
    }
}

/// Takes a worker's progress in.
pub(crate) fn take_progress(shared: &Arc<Shared>, report: ReportShardProgress) -> Result<(), RpcError> {
    let offset_ms = shared.progress.offset(&report, shared.clock.unix_ms());
    let start = shared.progress.put(report.job, |tray| {
        add_rows(tray, &report.rows);
        tray.windows.take(&report.worker, offset_ms, &report.windows);
    })?;
    start_flush(shared, report.job, start);
    Ok(())
}

/// Notes attempts that a worker said it has started.
pub(crate) fn note_started(shared: &Arc<Shared>, job: JobId, keys: &[AttemptKey]) {
    let noted = shared.progress.put(job, |tray| keys.iter().for_each(|key| add_started(tray, *key)));
    // A full tray is flushed anyway, and the worker tells it again.
    start_flush(shared, job, noted.unwrap_or(false));
}

fn start_flush(shared: &Arc<Shared>, job: JobId, start: bool) {
    if start {
        let desk = shared.clone();
        shared.scope.spawn_until_stop(FLUSH, async move { flush(&desk, job).await });
    }
}

fn add_rows(tray: &mut Tray, rows: &[ProgressRow]) {
    for row in rows {
        let newer = tray.rows.get(&row.key).is_none_or(|known| known.sequence <= row.sequence);
        if newer {
            tray.rows.insert(row.key, attempt_progress(row));
        }
    }
}

fn add_started(tray: &mut Tray, key: AttemptKey) {
    let (state, progress) = (AttemptState::Running, Progress::default());
    tray.rows.entry(key).or_insert(AttemptProgress { key, sequence: 0, state, progress });
}

/// Things done and failed are the numbers of that name, where the process reports them.
fn attempt_progress(row: &ProgressRow) -> AttemptProgress {
    let progress = Progress {
        completed: counted(&row.stats, "completed"),
        failed: counted(&row.stats, "failed"),
        fraction: row.fraction,
        started_at_ms: row.started_at_ms,
    };
    AttemptProgress { key: row.key, sequence: row.sequence, state: row.state, progress }
}

/// Not below zero, not a fraction; what is no number counts as 0.
fn counted(stats: &StatTotals, name: &str) -> u64 {
    stats.get(name).map_or(0, |total| total.sum.max(0.0) as u64)
}

/// Until nothing is left: windows stay open for a while.
async fn flush(shared: &Arc<Shared>, job: JobId) {
    loop {
        tokio::time::sleep(shared.progress.pause(job, shared.clock.now())).await;
        flush_once(shared, job).await;
        if shared.progress.is_flushed(job) {
            return;
        }
    }
}

async fn flush_once(shared: &Arc<Shared>, job: JobId) {
    let (rows, windows) = shared.progress.take(job, shared.clock.now(), shared.clock.unix_ms());
    let (first, rest) = rows.split_at(rows.len().min(ENTRY_ROWS_MAX));
    commit(shared, job, (first.to_vec(), windows)).await;
    for chunk in rest.chunks(ENTRY_ROWS_MAX) {
        commit(shared, job, (chunk.to_vec(), Vec::new())).await;
    }
}

/// Progress that is not committed is not repeated: the next report holds more.
async fn commit(shared: &Shared, job: JobId, (rows, windows): (Vec<AttemptProgress>, Vec<WindowRow>)) {
    let Ok(view) = shared.acting_view(job) else { return };
    let Some(record) = view.state.record() else { return };
    let mut draft = Draft::new(job, &view, shared.clock.unix_ms());
    draft.push(&UpdateWorkflowProgress { rows });
    draft.push(&FlushStatsWindow { rows: align(record, windows) });
    settle_workflows(&mut draft);
    settle_job(&mut draft);
    shared.commit(job, draft).await;
}

/// Closes every window with the entry that ends the job.
pub(crate) fn close_windows(shared: &Shared, job: JobId, draft: &mut Draft) {
    let Some(record) = draft.state().record().filter(|record| record.status().is_terminal()) else { return };
    let rows = align(record, shared.progress.last_windows(job));
    if !rows.is_empty() {
        draft.push(&FlushStatsWindow { rows });
    }
}

const _: () = assert!(PERIOD.as_millis() as u64 >= WINDOW_MS, "a window is flushed once");
