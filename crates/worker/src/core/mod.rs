//! What a worker decides, apart from how it is carried out: cores, reservations, attempts, tokens. A plain value: calls
//! and events in, answers and effects out, no files, no processes, no clock. Times are durations since any fixed moment
//! of one monotonic clock.
//!
//! ```text
//!   reserve ──▶ hold (10 s) ──start──▶ running ──stop──▶ stopping ──ended──▶ ended ──acknowledged──▶ known only
//!                 │ expires, released     └──────────────ended─────────────▶  │      as "not to start again"
//!                 ▼                                                           ▼
//!               free                                                   result is owed
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use muster_wire::job::AttemptKey;
use muster_wire::rpc::RpcError;
use muster_wire::rpc::worker::StartShard;
use muster_wire::{Generation, JobId, NodeRef, Token};

mod calls;
mod holds;
mod job;
mod turns;
mod waiters;

#[cfg(test)]
mod calls_test;
#[cfg(test)]
mod turns_test;

pub use job::state_of;
pub use turns::{Restored, Verdict};

use holds::Holds;
use job::Job;
use waiters::Waiters;

/// How far above the known token a new one may be.
const TOKEN_LEAP_MAX: u64 = 1 << 20;

/// The bounds of a worker.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Cores that it offers.
    pub cores: u32,
    /// How long a reservation is held.
    pub hold: Duration,
    /// How long worse ranks are refused after a gang of a better rank was.
    pub gang_pause: Duration,
    /// Without its manager for this long a job's attempts are stopped.
    pub orphan_grace: Duration,
    /// Attempts held, running or with a result that is not acknowledged: each can put one result into the queue.
    pub results_max: usize,
    /// Jobs known.
    pub jobs_max: usize,
    /// A job without open attempts and owed results is dropped after so long without a word about it.
    pub job_keep: Duration,
}

/// Does the worker take work?
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// Yes.
    #[default]
    Open,
    /// Nothing new is reserved; what is held may start.
    Draining,
    /// Nothing starts any more.
    Stopping,
}

/// Why an attempt is stopped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum StopCause {
    /// The manager asked for it, or the job is over.
    Cancelled,
    /// Nobody led the job for too long.
    Orphaned,
    /// The worker stops.
    Shutdown,
}

/// An order to stop an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stop {
    /// Why.
    pub cause: StopCause,
    /// SIGTERM to SIGKILL, milliseconds; `None`: the attempt's own.
    pub grace_ms: Option<u64>,
}

/// What the shell has to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Run this attempt.
    Start(Box<StartShard>),
    /// Stop its processes.
    Stop(JobId, AttemptKey, Stop),
    /// There is news for the job's manager, or a new manager.
    Wake(JobId),
    /// The job is over here: drop its results and directories.
    Drop(JobId),
    /// There is room now for this job: tell its manager.
    Room(NodeRef, JobId),
}

/// A worker's figures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Cores offered.
    pub cores: u32,
    /// Cores held by reservations.
    pub cores_held: u32,
    /// Cores of running attempts.
    pub cores_running: u32,
    /// Reservations.
    pub holds: usize,
    /// Attempts whose processes run.
    pub open: usize,
    /// Ended attempts whose result is not acknowledged.
    pub owed: usize,
    /// Jobs known.
    pub jobs: usize,
}

/// Who speaks for which job, and when.
#[derive(Clone, Copy, Debug)]
struct Claim {
    job: JobId,
    token: Token,
    now: Duration,
}

/// The worker's state.
pub struct Core {
    limits: Limits,
    generation: Generation,
    mode: Mode,
    jobs: BTreeMap<JobId, Job>,
    holds: Holds,
    waiters: Waiters,
    cores_running: u32,
    open: usize,
    owed: usize,
}

impl Core {
    /// An idle worker, started as `generation`.
    pub fn new(limits: Limits, generation: Generation) -> Self {
        let holds = Holds::new(limits.hold, limits.gang_pause);
        let jobs = BTreeMap::new();
        Self {
            limits,
            generation,
            mode: Mode::Open,
            jobs,
            holds,
            waiters: Waiters::default(),
            cores_running: 0,
            open: 0,
            owed: 0,
        }
    }

    /// Does it take work?
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Starts or ends draining; a worker that stops stays so.
    pub fn set_mode(&mut self, mode: Mode) {
        if self.mode != Mode::Stopping {
            self.mode = mode;
        }
    }

    /// The figures now.
    pub fn counts(&self) -> Counts {
        Counts {
            cores: self.limits.cores,
            cores_held: self.holds.cores(),
            cores_running: self.cores_running,
            holds: self.holds.len(),
            open: self.open,
            owed: self.owed,
            jobs: self.jobs.len(),
        }
    }

    /// Cores neither held nor running.
    pub fn cores_free(&self) -> u32 {
        self.limits.cores.saturating_sub(self.holds.cores()).saturating_sub(self.cores_running)
    }

    /// Whoever's turn it is, is told.
    pub fn offer(&mut self, now: Duration, out: &mut Vec<Effect>) {
        if self.mode != Mode::Open || self.waiters.is_empty() {
            return;
        }
        let told = self.waiters.turn(self.cores_free(), now);
        out.extend(told.into_iter().map(|(manager, job)| Effect::Room(manager, job)));
    }

    /// Checks the token of a caller and learns it. Hearing from the manager is contact with it.
    fn observe(&mut self, claim: Claim, out: &mut Vec<Effect>) -> Result<&mut Job, RpcError> {
        self.make_room(claim.job, out)?;
        let job = self.jobs.entry(claim.job).or_insert_with(|| Job::new(claim.token, claim.now));
        job.observe(claim.token, claim.now)?;
        Ok(job)
    }

    /// When too many jobs are known, the idle one heard of least recently is dropped for a new one.
    fn make_room(&mut self, job: JobId, out: &mut Vec<Effect>) -> Result<(), RpcError> {
        let known = self.jobs.contains_key(&job);
        if known || self.jobs.len() < self.limits.jobs_max {
            return Ok(());
        }
        let idle = self.jobs.iter().filter(|(id, job)| job.is_idle() && !self.holds.any_of(**id));
        let oldest = idle.min_by_key(|(_, job)| job.touched).map(|(id, _)| *id);
        let oldest = oldest.ok_or(RpcError::Busy { retry_after_ms: 1000 })?;
        self.remove(oldest, out);
        Ok(())
    }

    fn remove(&mut self, id: JobId, out: &mut Vec<Effect>) {
        self.holds.release_job(id);
        if let Some(job) = self.jobs.remove(&id) {
            self.owed = self.owed.saturating_sub(job.owed());
            out.push(Effect::Drop(id));
        }
    }
}
