//! A running worker as its process sees it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use muster_node::facts::Additions;
use muster_runtime::TaskKind;
use muster_swim::LeaveReason;
use muster_wire::api::{CapacityHealth, Health};
use muster_wire::rpc::worker::WorkerReport;

use crate::core::{Counts, Mode};
use crate::shell::{Shell, sees_manager};

const DRAIN: TaskKind = TaskKind::new("worker_drain");
/// Longest wait for the goodbye to be told.
const GOODBYE: Duration = Duration::from_millis(400);
/// SIGTERM to SIGKILL when the worker stops.
const STOP_GRACE_MS: u64 = 1_000;
/// For processes to end after their grace.
const STOP_MARGIN: Duration = Duration::from_millis(1_000);
/// For results to be told before the process ends; those left are told by the next start.
const LAST_WORDS: Duration = Duration::from_millis(800);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A worker without its node.
pub(crate) struct Worker {
    pub(crate) shell: Arc<Shell>,
    pub(crate) additions: Additions,
}

impl Worker {
    /// Adds what a worker says in `/readyz` and `/health`.
    pub(crate) fn show(self: &Arc<Self>) {
        let shell = self.shell.clone();
        self.additions.add_check("managers", move || match sees_manager(&shell.swim, &shell.datacenter) {
            true => Ok(()),
            false => Err(format!("no manager of datacenter `{}` is seen", shell.datacenter)),
        });
        let shell = self.shell.clone();
        self.additions.set_health(move |health| fill(health, shell.counts()));
    }

    /// Takes nothing new from now on, or takes work again; also after a restart.
    pub(crate) async fn set_draining(self: &Arc<Self>, draining: bool) {
        let mark = self.shell.folders.draining.clone();
        let written = self.shell.on_disk(move || write_mark(&mark, draining)).await;
        if let Some(Err(error)) = written {
            tracing::warn!(%error, "cannot remember on disk whether this worker drains");
        }
        match draining {
            true => self.drain(),
            false => self.undrain(),
        }
    }

    /// Drains on if an earlier start was told to.
    pub(crate) fn drain_if_told(self: &Arc<Self>) {
        if self.shell.folders.draining.exists() {
            self.drain();
        }
    }

    /// The worker at a glance.
    pub(crate) fn report(&self) -> WorkerReport {
        let counts = self.shell.counts();
        WorkerReport {
            cores_total: counts.cores,
            cores_used: counts.cores_running,
            cores_held: counts.cores_held,
            shards: counts.open as u32,
            results_pending: counts.owed as u32,
            draining: self.shell.mode() != Mode::Open,
        }
    }

    fn drain(self: &Arc<Self>) {
        self.set_mode(Mode::Draining);
        self.additions.set_draining("running");
        let worker = self.clone();
        self.shell.scope.spawn_until_stop(DRAIN, async move { worker.watch_drain().await });
    }

    fn undrain(&self) {
        self.set_mode(Mode::Open);
        self.additions.set_draining("no");
    }

    fn set_mode(&self, mode: Mode) {
        self.shell.decide(|core, _, _| core.set_mode(mode));
        let is_draining = mode != Mode::Open;
        self.shell.swim.update_meta(move |meta| meta.draining = is_draining);
    }

    /// Says when nothing is left to be done.
    async fn watch_drain(&self) {
        while self.shell.mode() == Mode::Draining {
            let counts = self.shell.counts();
            let word = if is_idle(counts) { "done" } else { "running" };
            self.additions.set_draining(word);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Says goodbye, stops every attempt, tells what can be told.
    pub(crate) async fn stop(&self) {
        self.additions.set_stopping();
        self.shell.decide(|core, _, out| core.stop_all(STOP_GRACE_MS, out));
        let stop_within = Duration::from_millis(STOP_GRACE_MS) + STOP_MARGIN;
        let ended = self.shell.until(stop_within, |counts| counts.open == 0);
        let ((), ended) = tokio::join!(self.shell.swim.leave(LeaveReason::Shutdown, GOODBYE), ended);
        let told = self.shell.until(LAST_WORDS, |counts| counts.owed == 0).await;
        tracing::info!(ended, told, "the worker has stopped its attempts");
    }
}

fn write_mark(mark: &Path, draining: bool) -> std::io::Result<()> {
    match draining {
        true => std::fs::write(mark, b"told to drain\n"),
        false if mark.exists() => std::fs::remove_file(mark),
        false => Ok(()),
    }
}

const fn is_idle(counts: Counts) -> bool {
    counts.open + counts.owed + counts.holds == 0
}

fn fill(health: &mut Health, counts: Counts) {
    let used = counts.cores_held.saturating_add(counts.cores_running);
    let available = counts.cores.saturating_sub(used);
    health.capacity = Some(CapacityHealth { total: counts.cores, used, available });
}
