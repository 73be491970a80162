//! The loop of one reconciler for one job.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use imbl::OrdMap;
use muster_consensus::{Coordinator, View};
use muster_machine::Machine;
use muster_runtime::random;
use muster_wire::JobId;
use tokio::sync::watch;
use tokio::time::error::Elapsed;

use super::{DriverConfig, Next, Wake};

/// Which jobs are led here, and their state: what the driver needs of a coordinator.
pub(super) trait Groups<M>: Send + Sync {
    fn led(&self) -> watch::Receiver<Arc<OrdMap<JobId, u64>>>;
    fn watch(&self, job: JobId) -> Option<watch::Receiver<View<M>>>;
}

impl<M: Machine> Groups<M> for Coordinator<M> {
    fn led(&self) -> watch::Receiver<Arc<OrdMap<JobId, u64>>> {
        Self::led(self)
    }

    fn watch(&self, job: JobId) -> Option<watch::Receiver<View<M>>> {
        Self::watch(self, job)
    }
}

/// One reconciler as the loop runs it.
pub(super) trait Run<M>: Send + Sync {
    fn name(&self) -> &'static str;
    fn run(&self, at: Moment<M>) -> BoxFuture<'_, Next>;
}

/// One job at the start of a run.
pub(super) struct Moment<M> {
    pub(super) job: JobId,
    pub(super) view: View<M>,
    pub(super) term: u64,
    pub(super) wake: Wake,
}

/// What runs for every job.
pub(super) struct Plan<M> {
    pub(super) config: DriverConfig,
    pub(super) runs: Vec<Arc<dyn Run<M>>>,
    pub(super) groups: Arc<dyn Groups<M>>,
}

/// One job that is led here.
#[derive(Clone)]
pub(super) struct Led {
    pub(super) job: JobId,
    pub(super) term: u64,
    pub(super) wake: Wake,
}

/// Drives one job with every reconciler at once, each of them one run at a time. Never ends by itself.
pub(super) async fn drive<M: Machine>(plan: &Plan<M>, led: &Led) {
    loop {
        if let Some(views) = plan.groups.watch(led.job) {
            let loops = plan.runs.iter().map(|run| repeat(plan, led, (run.as_ref(), views.clone())));
            futures_util::future::join_all(loops).await;
        }
        // The replica is not loaded (any more) here; it will be, or the leadership goes.
        tokio::time::sleep(plan.config.rest).await;
    }
}

/// Runs one reconciler until the replica's views end.
async fn repeat<M: Machine>(
    plan: &Plan<M>,
    led: &Led,
    (run, mut views): (&dyn Run<M>, watch::Receiver<View<M>>),
) {
    let mut pokes = led.wake.subscribe();
    let mut pace = Pace::default();
    loop {
        let view = views.borrow_and_update().clone();
        pokes.borrow_and_update();
        let at = Moment { job: led.job, view, term: led.term, wake: led.wake.clone() };
        let pause = pace.pause(&plan.config, run_once(&plan.config, run, at).await);
        tokio::select! {
            changed = views.changed() => match changed {
                Ok(()) => pace.disturb(),
                Err(_) => return,
            },
            _ = pokes.changed() => pace.disturb(),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One run; `None` if it failed.
async fn run_once<M>(config: &DriverConfig, run: &dyn Run<M>, at: Moment<M>) -> Option<Next> {
    let job = at.job;
    let running = AssertUnwindSafe(run.run(at)).catch_unwind();
    let outcome = tokio::time::timeout(config.run_deadline, running).await;
    let word = outcome_word(&outcome);
    metrics::counter!("muster_reconciler_runs_total", "reconciler" => run.name(), "outcome" => word)
        .increment(1);
    if word != "ok" {
        tracing::error!(reconciler = run.name(), %job, outcome = word, "a reconciler's run failed");
    }
    outcome.ok()?.ok()
}

const fn outcome_word(outcome: &Result<Result<Next, Box<dyn Any + Send>>, Elapsed>) -> &'static str {
    match outcome {
        Ok(Ok(_)) => "ok",
        Ok(Err(_)) => "panicked",
        Err(_) => "late",
    }
}

/// How long to wait between two runs.
#[derive(Default)]
struct Pace {
    idle: u32,
    streak: u32,
}

impl Pace {
    fn disturb(&mut self) {
        self.idle = 0;
    }

    fn pause(&mut self, config: &DriverConfig, next: Option<Next>) -> Duration {
        self.idle = match next {
            Some(Next::Idle) => self.idle.saturating_add(1),
            _ => 0,
        };
        self.streak = match next {
            Some(Next::Again) => (self.streak + 1) % config.streak_max.max(1),
            _ => 0,
        };
        match next {
            Some(Next::After(after)) => after.min(config.period),
            Some(Next::Again) => self.breath(config),
            Some(Next::Idle) => self.idle_pause(config),
            None => config.rest,
        }
    }

    /// No pause, but a rest at the end of each long streak.
    const fn breath(&self, config: &DriverConfig) -> Duration {
        match self.streak {
            0 => config.rest,
            _ => Duration::ZERO,
        }
    }

    /// Jittered, so that thousands of idle jobs do not run at the same moment.
    fn idle_pause(&self, config: &DriverConfig) -> Duration {
        let most = match self.idle > config.idle_runs {
            true => config.idle_period,
            false => config.period,
        };
        let half = most / 2;
        half + Duration::from_millis(random::below(half.as_millis() as u64 + 1))
    }
}
