//! One task per attempt: its process, then its result.

use std::sync::Arc;

use muster_runtime::{TaskKind, crash_point};
use muster_wire::job::Exit;
use muster_wire::rpc::worker::{ReportShardResult, StartShard};
use tokio::sync::watch;

use super::{Engine, Running, Shell, remove_folder};
use crate::core::{Effect, Verdict, state_of};
use crate::process::attempt::{self, Controls, Ended, Launch};
use crate::process::log::LiveTail;
use crate::process::report::Report;
use crate::process::samples::Sampler;
use crate::store::{At, Begun, Owed};

/// The longest reason of an exit.
const ERROR_BYTES_MAX: usize = 4 * 1024;
/// Vital: an attempt without its task would hold its cores for ever.
const ATTEMPT: TaskKind = TaskKind::vital("worker_attempt");

pub(super) fn start(shell: &Arc<Shell>, engine: &mut Engine, order: Box<StartShard>) {
    let at = At::new(order.job, order.key);
    let (stop, orders) = watch::channel(None);
    let (tell, report) = watch::channel(Report::default());
    let started_at_ms = shell.clock.unix_ms();
    let tail = LiveTail::default();
    engine.running.insert(at, Running { stop, report, sequence: 0, started_at_ms, tail: tail.clone() });
    shell.carry_out(engine, Effect::Wake(order.job));
    let owner = shell.clone();
    shell.scope.spawn(ATTEMPT, |abort| async move {
        let controls = Controls { stop: orders, report: tell, abort };
        owner.run(order, controls, tail).await;
    });
}

impl Shell {
    async fn run(self: Arc<Self>, order: Box<StartShard>, controls: Controls, tail: LiveTail) {
        let at = At::new(order.job, order.key);
        self.note_begun(Begun::new(&order, self.clock.unix_ms())).await;
        let launch = Launch {
            order,
            folder: self.folders.attempt(at),
            log: self.folders.log(at),
            log_bytes_max: self.config.log_bytes_max,
            inherit: self.inherit.clone(),
            clock: self.clock.clone(),
            sampler: self.sampler(at),
            tail,
        };
        let ended = attempt::run(&launch, controls).await;
        crash_point("worker.ended");
        self.conclude(&launch.order, ended).await;
        let folder = launch.folder;
        self.on_disk(move || remove_folder(&folder)).await;
    }

    fn sampler(&self, at: At) -> Sampler {
        let (samples, clock) = (self.samples.clone(), self.clock.clone());
        Sampler { samples, clock, epoch: self.epoch, job: at.job, workflow: at.key.workflow }
    }

    /// Without the record the attempt runs as well; a restart of the worker would then leave the telling to others.
    async fn note_begun(&self, begun: Begun) {
        let records = self.records.clone();
        if let Some(Err(error)) = self.on_disk(move || records.begin(begun)).await {
            tracing::warn!(%error, "cannot record that an attempt runs");
        }
    }

    /// The result is on disk before the cores are free and before anybody is told.
    async fn conclude(self: &Arc<Self>, order: &StartShard, ended: Ended) {
        metrics::counter!("muster_worker_attempts_total", "exit" => ended.exit.kind.word()).increment(1);
        let state = state_of(&ended.exit);
        let owed = self.owed(order, ended);
        let at = owed.at();
        self.keep(&owed).await;
        crash_point("worker.result_kept");
        let verdict = {
            let mut engine = self.engine();
            engine.running.remove(&at);
            engine.owed.insert(at, owed);
            let mut out = Vec::new();
            let verdict = engine.core.ended((at.job, at.key), state, &mut out);
            if verdict == Verdict::Drop {
                engine.owed.remove(&at);
            }
            engine.core.offer(self.now(), &mut out);
            out.into_iter().for_each(|effect| self.carry_out(&mut engine, effect));
            verdict
        };
        self.ended.send_modify(|count| *count += 1);
        self.settle(at, verdict).await;
    }

    fn owed(&self, order: &StartShard, ended: Ended) -> Owed {
        let (manager, token) = self.leader(order.job).unwrap_or((None, order.token));
        let report = ReportShardResult {
            job: order.job,
            token,
            dispatch: order.dispatch,
            worker: self.me.clone(),
            key: order.key,
            exit: bounded(ended.exit),
            outputs: ended.report.outputs,
            context: ended.report.context,
            stats: ended.report.stats,
            started_at_ms: ended.started_at_ms,
            finished_at_ms: ended.finished_at_ms,
            forwarded: false,
        };
        Owed { manager, report }
    }

    /// A result that cannot be written is delivered from memory.
    async fn keep(&self, owed: &Owed) {
        let (records, owed) = (self.records.clone(), owed.clone());
        if let Some(Err(error)) = self.on_disk(move || records.owe(owed)).await {
            tracing::error!(%error, "cannot keep a result on disk; it is lost if this worker ends now");
            metrics::counter!("muster_worker_disk_errors_total").increment(1);
        }
    }

    async fn settle(&self, at: At, verdict: Verdict) {
        let records = self.records.clone();
        let work = move || {
            records.end(at);
            if verdict == Verdict::Drop {
                records.acknowledged(at);
            }
        };
        self.on_disk(work).await;
    }
}

fn bounded(mut exit: Exit) -> Exit {
    if let Some(error) = &mut exit.error {
        error.truncate(error.floor_char_boundary(ERROR_BYTES_MAX));
    }
    exit
}
