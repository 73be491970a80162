//! What has to be done from time to time: deadlines of the core, figures, logs that are too old.

use std::sync::Arc;
use std::time::Duration;

use muster_runtime::TaskKind;

use super::Shell;
use super::logs::Sweep;
use crate::core::Counts;

const TIMER: TaskKind = TaskKind::vital("worker_timer");
const SWEEPER: TaskKind = TaskKind::new("worker_log_sweeper");
const TICK: Duration = Duration::from_millis(500);
const SWEEP_EVERY: Duration = Duration::from_secs(60);

pub(super) fn start(shell: &Arc<Shell>) {
    let timer = shell.clone();
    shell.scope.spawn_until_stop(TIMER, async move {
        let mut gauges = Gauges::default();
        loop {
            timer.decide(|core, now, out| core.tick(now, out));
            gauges.show(timer.counts());
            tokio::time::sleep(TICK).await;
        }
    });
    let sweeper = shell.clone();
    shell.scope.spawn_until_stop(SWEEPER, async move {
        loop {
            sweeper.sweep_logs().await;
            tokio::time::sleep(SWEEP_EVERY).await;
        }
    });
}

impl Shell {
    async fn sweep_logs(&self) {
        let sweep = self.sweep();
        match self.on_disk(move || sweep.run()).await {
            Some(Ok(bytes)) => metrics::gauge!("muster_worker_log_bytes").set(bytes as f64),
            Some(Err(error)) => tracing::warn!(%error, "cannot look after the logs"),
            None => {}
        }
    }

    fn sweep(&self) -> Sweep {
        let engine = self.engine();
        let mut open: Vec<_> = engine.running.keys().map(|at| at.job).collect();
        open.dedup();
        Sweep {
            logs: self.folders.logs.clone(),
            now_ms: self.clock.unix_ms(),
            retention: self.config.log_retention,
            bytes_max: self.config.logs_bytes_max,
            known: engine.core.known_jobs(),
            open,
        }
    }
}

/// The figures as gauges. Several workers of one process add up.
#[derive(Default)]
struct Gauges {
    shown: Counts,
}

impl Gauges {
    fn show(&mut self, counts: Counts) {
        for ((name, label, before), (_, _, now)) in rows(self.shown).into_iter().zip(rows(counts)) {
            metrics::gauge!(name, label.0 => label.1).increment(now - before);
        }
        self.shown = counts;
    }
}

impl Drop for Gauges {
    fn drop(&mut self) {
        self.show(Counts::default());
    }
}

type Row = (&'static str, (&'static str, &'static str), f64);

fn rows(counts: Counts) -> [Row; 8] {
    const CORES: &str = "muster_worker_cores";
    const ATTEMPTS: &str = "muster_worker_attempts";
    [
        (CORES, ("state", "offered"), f64::from(counts.cores)),
        (CORES, ("state", "held"), f64::from(counts.cores_held)),
        (CORES, ("state", "running"), f64::from(counts.cores_running)),
        (ATTEMPTS, ("state", "held"), counts.holds as f64),
        (ATTEMPTS, ("state", "running"), counts.open as f64),
        (ATTEMPTS, ("state", "owed"), counts.owed as f64),
        ("muster_queue_depth", ("queue", "worker_results"), counts.owed as f64),
        ("muster_queue_depth", ("queue", "worker_jobs"), counts.jobs as f64),
    ]
}
