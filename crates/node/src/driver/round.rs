//! The loop of one job's reconcilers.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use imbl::OrdMap;
use metrics::Counter;
use muster_consensus::{Coordinator, View};
use muster_machine::Machine;
use muster_runtime::{Meter, random};
use muster_wire::JobId;
use tokio::sync::watch;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep_until};

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
        if let Some(mut views) = plan.groups.watch(led.job)
            && knows_all(&mut views, led.term).await
        {
            Round::new(plan, led, views).go().await;
        }
        // The replica is not loaded (any more) here; it will be, or the leadership goes.
        tokio::time::sleep(plan.config.rest).await;
    }
}

/// Waits until an entry of the leader's own term is applied: before that it may not know the last steps of who led before
/// it, for instance that the job was left to it. False when the replica's views end.
async fn knows_all<M: Machine>(views: &mut watch::Receiver<View<M>>, term: u64) -> bool {
    views.wait_for(|view| view.term >= term).await.is_ok()
}

/// A run that is waiting for something, with the number of its reconciler.
type Running<'a> = BoxFuture<'a, (usize, Option<Next>)>;

/// When a reconciler runs next.
#[derive(Clone, Copy)]
enum Due {
    At(Instant),
    /// It is running; once more afterwards, if anything has changed meanwhile.
    Running {
        again: bool,
    },
}

/// One reconciler of a job between two runs, or in one.
struct Turn {
    pace: Pace,
    due: Due,
}

/// All reconcilers of one job. Only those that have to wait in the middle of a run are futures of their own: most runs
/// look at the state, find nothing owed and are over.
struct Round<'a, M> {
    plan: &'a Plan<M>,
    led: &'a Led,
    views: watch::Receiver<View<M>>,
    pokes: watch::Receiver<u64>,
    turns: Vec<Turn>,
    running: FuturesUnordered<Running<'a>>,
}

impl<'a, M: Machine> Round<'a, M> {
    fn new(plan: &'a Plan<M>, led: &'a Led, mut views: watch::Receiver<View<M>>) -> Self {
        let mut pokes = led.wake.subscribe();
        views.mark_unchanged();
        pokes.mark_unchanged();
        let first = Due::At(Instant::now());
        let turns = plan.runs.iter().map(|_| Turn { pace: Pace::default(), due: first }).collect();
        Self { plan, led, views, pokes, turns, running: FuturesUnordered::new() }
    }

    /// Until the replica's views end.
    async fn go(mut self) {
        loop {
            self.begin_due();
            let next = self.next_due();
            tokio::select! {
                changed = self.views.changed() => match changed {
                    Ok(()) => self.disturb(),
                    Err(_) => return,
                },
                _ = self.pokes.changed() => self.disturb(),
                Some((at, next)) = self.running.next() => self.settle(at, next),
                () = sleep_until(next) => {}
            }
        }
    }

    fn begin_due(&mut self) {
        let now = Instant::now();
        let is_due = |turn: &Turn| matches!(turn.due, Due::At(at) if at <= now);
        let due: Vec<usize> = (0..self.turns.len()).filter(|at| is_due(&self.turns[*at])).collect();
        if !due.is_empty() {
            let view = self.views.borrow().clone();
            due.into_iter().for_each(|at| self.begin(at, view.clone()));
        }
    }

    fn begin(&mut self, at: usize, view: View<M>) {
        let (plan, led) = (self.plan, self.led);
        let moment = Moment { job: led.job, view, term: led.term, wake: led.wake.clone() };
        let run = plan.runs[at].as_ref();
        let mut running: Running<'a> = async move { (at, run_once(&plan.config, run, moment).await) }.boxed();
        self.turns[at].due = Due::Running { again: false };
        match (&mut running).now_or_never() {
            Some((at, next)) => self.settle(at, next),
            None => self.running.push(running),
        }
    }

    fn settle(&mut self, at: usize, next: Option<Next>) {
        let turn = &mut self.turns[at];
        let pause = turn.pace.pause(&self.plan.config, next);
        turn.due = Due::At(Instant::now() + turn.pause_after(pause));
    }

    /// Something changed: whoever rests runs at once, whoever runs does so once more.
    fn disturb(&mut self) {
        let now = Instant::now();
        self.turns.iter_mut().for_each(|turn| turn.disturb(now));
    }

    /// Far away while all are running.
    fn next_due(&self) -> Instant {
        let due = self.turns.iter().filter_map(|turn| match turn.due {
            Due::At(at) => Some(at),
            Due::Running { .. } => None,
        });
        due.min().unwrap_or_else(|| Instant::now() + self.plan.config.idle_period)
    }
}

impl Turn {
    fn disturb(&mut self, now: Instant) {
        self.due = match self.due {
            Due::At(_) => {
                self.pace.disturb();
                Due::At(now)
            }
            Due::Running { .. } => Due::Running { again: true },
        };
    }

    fn pause_after(&mut self, pause: Duration) -> Duration {
        match self.due {
            Due::Running { again: true } => {
                self.pace.disturb();
                Duration::ZERO
            }
            _ => pause,
        }
    }
}

static RUNS: Meter<Counter, 2> = Meter::counters("muster_reconciler_runs_total", ["reconciler", "outcome"]);

/// One run; `None` if it failed.
async fn run_once<M>(config: &DriverConfig, run: &dyn Run<M>, at: Moment<M>) -> Option<Next> {
    let job = at.job;
    let running = AssertUnwindSafe(run.run(at)).catch_unwind();
    let outcome = tokio::time::timeout(config.run_deadline, running).await;
    let word = outcome_word(&outcome);
    RUNS.count([run.name(), word]);
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
