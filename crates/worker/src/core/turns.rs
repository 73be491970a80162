//! What happens by itself: attempts end, results are acknowledged, managers are reached or lost, time passes.

use std::time::Duration;

use muster_wire::job::{AttemptKey, AttemptState};
use muster_wire::{JobId, NodeRef, Token};

use super::job::{Job, Phase, Started};
use super::{Core, Effect, Stop, StopCause};

/// What becomes of the result of an attempt that ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is owed to the manager.
    Report,
    /// Nobody wants it: the job is over.
    Drop,
}

/// An attempt of an earlier process start whose result is owed.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The job.
    pub job: JobId,
    /// The highest token known when it was written.
    pub token: Token,
    /// Who led the job then.
    pub manager: Option<NodeRef>,
    /// The attempt.
    pub key: AttemptKey,
    /// How it ended.
    pub state: AttemptState,
}

impl Core {
    /// The processes of an attempt are gone. Its cores are free from here on.
    pub fn ended(&mut self, at: (JobId, AttemptKey), state: AttemptState, out: &mut Vec<Effect>) -> Verdict {
        let (id, key) = at;
        let Some(job) = self.jobs.get_mut(&id) else { return Verdict::Drop };
        let Some(started) = job.attempts.get_mut(&key).filter(|started| started.phase.is_open()) else {
            return Verdict::Drop;
        };
        started.phase = Phase::Ended { state, acknowledged: job.over };
        self.cores_running = self.cores_running.saturating_sub(started.cores);
        self.open -= 1;
        match job.over {
            true => self.end_over(id, out),
            false => self.owe(id, out),
        }
    }

    fn owe(&mut self, id: JobId, out: &mut Vec<Effect>) -> Verdict {
        self.owed += 1;
        out.push(Effect::Wake(id));
        Verdict::Report
    }

    /// The last attempt of a job that is over takes the job with it.
    fn end_over(&mut self, id: JobId, out: &mut Vec<Effect>) -> Verdict {
        let open = self.jobs.get(&id).is_some_and(|job| job.open().next().is_some());
        if !open {
            self.remove(id, out);
        }
        Verdict::Drop
    }

    /// A result was acknowledged: the attempt is remembered only as one that never starts again.
    pub fn acknowledged(&mut self, id: JobId, key: AttemptKey, now: Duration) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.reached(now);
        let Some(started) = job.attempts.get_mut(&key) else { return };
        if let Phase::Ended { state, acknowledged: false } = started.phase {
            started.phase = Phase::Ended { state, acknowledged: true };
            self.owed -= 1;
            job.prune();
        }
    }

    /// The job's manager answered.
    pub fn reached(&mut self, id: JobId, now: Duration) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.reached(now);
        }
    }

    /// Somebody says who leads the job. A token below the known one is old news.
    pub fn led_by(&mut self, id: JobId, manager: NodeRef, token: Option<Token>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let token = token.unwrap_or(job.token);
        if token >= job.token {
            job.token = token;
            job.manager = Some(manager);
        }
    }

    /// Where news of the job goes, and under which token.
    pub fn leader(&self, id: JobId) -> Option<(Option<NodeRef>, Token)> {
        self.jobs.get(&id).map(|job| (job.manager.clone(), job.token))
    }

    /// The job is over: nothing of it is wanted any more.
    pub fn gone(&mut self, id: JobId, out: &mut Vec<Effect>) {
        self.holds.release_job(id);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.over = true;
        let open: Vec<AttemptKey> = job.open().collect();
        if open.is_empty() {
            self.remove(id, out);
        }
        let stop = Stop { cause: StopCause::Cancelled, grace_ms: None };
        open.into_iter().for_each(|key| self.stop_one((id, key), stop, out));
    }

    /// A result of an earlier process start is owed: its attempt never starts again here.
    pub fn restore(&mut self, restored: Restored, now: Duration) {
        let job = self.jobs.entry(restored.job).or_insert_with(|| Job::new(restored.token, now));
        job.token = job.token.max(restored.token);
        job.manager = restored.manager.or_else(|| job.manager.take());
        let phase = Phase::Ended { state: restored.state, acknowledged: false };
        job.begin(restored.key, Started { phase, cores: 0 });
        self.owed += 1;
    }

    /// Is this attempt's process there?
    pub fn is_running(&self, id: JobId, key: AttemptKey) -> bool {
        let started = self.jobs.get(&id).and_then(|job| job.attempts.get(&key));
        started.is_some_and(|started| started.phase.is_open())
    }

    /// Every job that is known.
    pub fn known_jobs(&self) -> Vec<JobId> {
        self.jobs.keys().copied().collect()
    }

    /// Is anything known of the job?
    pub fn knows(&self, id: JobId) -> bool {
        self.jobs.contains_key(&id)
    }

    /// Time has passed: reservations expire, orphans are stopped, idle jobs are dropped.
    pub fn tick(&mut self, now: Duration, out: &mut Vec<Effect>) {
        self.holds.expire(now);
        self.offer(now, out);
        self.stop_orphans(now, out);
        self.drop_idle(now, out);
    }

    fn stop_orphans(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let grace = self.limits.orphan_grace;
        let lost = self.jobs.iter().filter(|(_, job)| now.saturating_sub(job.contact) >= grace);
        let orphans = lost.flat_map(|(id, job)| job.running().map(|key| (*id, key)));
        let orphans: Vec<(JobId, AttemptKey)> = orphans.collect();
        let stop = Stop { cause: StopCause::Orphaned, grace_ms: None };
        orphans.into_iter().for_each(|at| self.stop_one(at, stop, out));
    }

    fn drop_idle(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let keep = self.limits.job_keep;
        let old = self.jobs.iter().filter(|(_, job)| now.saturating_sub(job.touched) >= keep);
        let idle: Vec<JobId> = old.filter(|(_, job)| job.is_idle()).map(|(id, _)| *id).collect();
        idle.into_iter().for_each(|id| self.remove(id, out));
    }

    /// The worker stops: every attempt does, within `grace_ms` at most.
    pub fn stop_all(&mut self, grace_ms: u64, out: &mut Vec<Effect>) {
        self.set_mode(super::Mode::Stopping);
        let open: Vec<(JobId, AttemptKey)> =
            self.jobs.iter().flat_map(|(id, job)| job.open().map(|key| (*id, key))).collect();
        let stop = Stop { cause: StopCause::Shutdown, grace_ms: Some(grace_ms) };
        open.into_iter().for_each(|at| self.stop_one(at, stop, out));
    }
}
