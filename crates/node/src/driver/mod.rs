//! Runs the reconcilers of every job that this node leads.
//!
//! ```text
//!   led() ──▶ supervisor ── one task per led job ──▶ run each reconciler that is due ─▶ wait for change, poke or time ─┐
//!                                                          ▲───────────────────────────────────────────────────────┘
//! ```
//! A reconciler compares replicated state with what is done and takes the next idempotent step. It is started by a
//! change *and* by a timer, and runs once at a time per job. A job's task ends when its leadership is lost.

mod context;
mod round;
mod supervisor;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use muster_consensus::Coordinator;
use muster_link::Links;
use muster_machine::Machine;
use muster_runtime::{Clock, TaskScope};
use muster_wire::JobId;

pub use context::{JobContext, Wake};

use context::Wired;
use round::{Plan, Run};
use supervisor::Jobs;

/// What a reconciler wants after a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Nothing is owed: run again when something changes, and now and then.
    Idle,
    /// Run again after this, or earlier when something changes.
    After(Duration),
    /// Run again at once: there is more to do.
    Again,
}

/// Takes the next step of one duty, for every job that this node leads.
pub trait Reconciler<M: Machine>: Send + Sync + 'static {
    /// The label of its logs and metrics.
    fn name(&self) -> &'static str;

    /// Compares state with what is done and takes the next idempotent step. Dropped at its next await point when the
    /// leadership is lost, or after the deadline of one run.
    fn reconcile<'a>(&'a self, job: &'a JobContext<M>) -> BoxFuture<'a, Next>;
}

/// The times of a driver.
#[derive(Clone, Copy, Debug)]
pub struct DriverConfig {
    /// One run of a reconciler.
    pub run_deadline: Duration,
    /// Longest time between two runs.
    pub period: Duration,
    /// Longest time between two runs of a reconciler that was idle [`DriverConfig::idle_runs`] times in a row.
    pub idle_period: Duration,
    /// See [`DriverConfig::idle_period`].
    pub idle_runs: u32,
    /// Rest after a failed run, and after [`DriverConfig::streak_max`] runs that asked for another one at once.
    pub rest: Duration,
    /// Runs in a row without a rest.
    pub streak_max: u32,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            run_deadline: Duration::from_secs(30),
            period: Duration::from_secs(5),
            idle_period: Duration::from_secs(30),
            idle_runs: 12,
            rest: Duration::from_millis(250),
            streak_max: 256,
        }
    }
}

/// What a driver is started with.
pub struct DriverParts<M: Machine> {
    /// The times.
    pub config: DriverConfig,
    /// Says which jobs are led here; given to the reconcilers.
    pub coordinator: Coordinator<M>,
    /// Given to the reconcilers.
    pub links: Links,
    /// Given to the reconcilers.
    pub clock: Clock,
    /// Owns every task.
    pub scope: TaskScope,
    /// What runs for each job.
    pub reconcilers: Vec<Arc<dyn Reconciler<M>>>,
}

/// Runs reconcilers. Cheap to clone; it stops with its scope.
#[derive(Clone)]
pub struct Driver {
    jobs: Arc<Jobs>,
}

impl Driver {
    /// Starts to drive the jobs led here, and those led later.
    pub fn start<M: Machine>(parts: DriverParts<M>) -> Self {
        let DriverParts { config, coordinator, links, clock, scope, reconcilers } = parts;
        let wired = reconcilers.into_iter().map(|reconciler| {
            let (coordinator, links, clock) = (coordinator.clone(), links.clone(), clock.clone());
            Arc::new(Wired { reconciler, coordinator, links, clock }) as Arc<dyn Run<M>>
        });
        let runs = wired.collect();
        Self { jobs: supervisor::start(Plan { config, runs, groups: Arc::new(coordinator) }, &scope) }
    }

    /// Runs every reconciler of a job soon, if the job is led here.
    pub fn poke(&self, job: JobId) {
        self.jobs.poke(job);
    }

    /// Jobs that are driven now.
    pub fn driven(&self) -> usize {
        self.jobs.len()
    }
}

#[cfg(test)]
mod driver_test;
