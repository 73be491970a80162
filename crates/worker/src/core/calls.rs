//! The calls of managers.

use std::time::Duration;

use muster_wire::job::{AttemptKey, AttemptState};
use muster_wire::rpc::worker::{
    AdoptJob, ForgetJob, HeldAttempts, ReleaseReservation, Reservation, Reserve, StartReply, StartShard,
    StopReply, StopShards,
};
use muster_wire::rpc::{Ack, RpcError};

use super::job::{Phase, Started};
use super::{Claim, Core, Effect, Mode, Stop, StopCause};

impl Core {
    /// Holds cores for an attempt, or says at once why not. An attempt that was started, stopped or refused here before
    /// is an [`RpcError::Refused`].
    pub fn reserve(
        &mut self,
        call: &Reserve,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<Reservation, RpcError> {
        self.holds.expire(now);
        let job = self.observe(Claim { job: call.job, token: call.token, now }, out)?;
        if !job.may_start(call.key) {
            return Err(RpcError::Refused { why: "this attempt was here before".into() });
        }
        match self.mode {
            Mode::Open => Ok(self.hold(call, now)),
            Mode::Draining | Mode::Stopping => Ok(Reservation::Draining),
        }
    }

    fn hold(&mut self, call: &Reserve, now: Duration) -> Reservation {
        if self.holds.is_behind_gang(call.rank, now) {
            return Reservation::Full { cores_free: 0 };
        }
        if !self.has_room(call, now) {
            self.note_refused(call, now);
            return Reservation::Full { cores_free: self.cores_free() };
        }
        self.waiters.took(call.rank, call.cores);
        let hold_ms = self.holds.hold(call, now).as_millis() as u64;
        Reservation::Held { generation: self.generation, hold_ms }
    }

    /// What the attempt holds already counts as room: the hold is renewed.
    fn has_room(&self, call: &Reserve, now: Duration) -> bool {
        let held = self.holds.cores_of(call.job, call.key);
        let places = self.open + self.owed + self.holds.len();
        let place = held.is_some() || places < self.limits.results_max;
        let kept = self.waiters.kept_from(call.rank, now);
        place && self.cores_free().saturating_sub(kept).saturating_add(held.unwrap_or(0)) >= call.cores
    }

    /// What can never fit here keeps nobody waiting.
    fn note_refused(&mut self, call: &Reserve, now: Duration) {
        if call.cores <= self.limits.cores {
            self.holds.note_refused(call, now);
            self.waiters.note(call, now);
        }
    }

    /// Gives a reservation back; one that is not held is none.
    pub fn release(
        &mut self,
        call: &ReleaseReservation,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<Ack, RpcError> {
        self.observe(Claim { job: call.job, token: call.token, now }, out)?;
        self.holds.release(call.job, call.key);
        self.offer(now, out);
        Ok(Ack {})
    }

    /// Starts an attempt under its reservation, or says that it never will be.
    pub fn start(
        &mut self,
        call: StartShard,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<StartReply, RpcError> {
        self.holds.expire(now);
        let job = self.observe(Claim { job: call.job, token: call.token, now }, out)?;
        job.manager = Some(call.manager.clone());
        if let Some(started) = job.attempts.get(&call.key) {
            let state = started.phase.state();
            out.push(Effect::Wake(call.job));
            return Ok(StartReply::Started { state });
        }
        match self.why_not(&call) {
            Some(why) => Ok(self.refuse(&call, why)),
            None => Ok(self.begin(call, out)),
        }
    }

    fn why_not(&self, call: &StartShard) -> Option<&'static str> {
        let reasons = [
            (call.generation != self.generation, "the worker was restarted since the reservation"),
            (self.mode == Mode::Stopping, "the worker is stopping"),
            (!self.may_start(call), "this attempt, or a later one of the shard, was here before"),
            (self.holds.cores_of(call.job, call.key).is_none(), "the reservation is not held (any more)"),
        ];
        reasons.into_iter().find(|(applies, _)| *applies).map(|(_, why)| why)
    }

    fn may_start(&self, call: &StartShard) -> bool {
        self.jobs.get(&call.job).is_none_or(|job| job.may_start(call.key))
    }

    /// A refusal is final: a reservation of the same attempt that comes late does not change it.
    fn refuse(&mut self, call: &StartShard, why: &str) -> StartReply {
        self.holds.release(call.job, call.key);
        if let Some(job) = self.jobs.get_mut(&call.job) {
            job.bar(call.key);
        }
        StartReply::Refused { why: why.into() }
    }

    fn begin(&mut self, call: StartShard, out: &mut Vec<Effect>) -> StartReply {
        let cores = self.holds.release(call.job, call.key).unwrap_or(0);
        self.cores_running = self.cores_running.saturating_add(cores);
        self.open += 1;
        if let Some(job) = self.jobs.get_mut(&call.job) {
            job.begin(call.key, Started { phase: Phase::Running, cores });
        }
        out.push(Effect::Start(Box::new(call)));
        StartReply::Started { state: AttemptState::Running }
    }

    /// Stops attempts. Those that were never started here count as stopped, and never will be.
    pub fn stop(
        &mut self,
        call: &StopShards,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<StopReply, RpcError> {
        self.observe(Claim { job: call.job, token: call.token, now }, out)?;
        let stop = Stop { cause: StopCause::Cancelled, grace_ms: call.grace_ms };
        call.keys.iter().for_each(|key| self.stop_one((call.job, *key), stop, out));
        Ok(self.stop_reply(call))
    }

    /// Which attempts of the call run still.
    pub fn stop_reply(&self, call: &StopShards) -> StopReply {
        let (stopping, stopped) = call.keys.iter().partition(|key| self.is_open(call, **key));
        StopReply { stopped, stopping }
    }

    fn is_open(&self, call: &StopShards, key: AttemptKey) -> bool {
        let started = self.jobs.get(&call.job).and_then(|job| job.attempts.get(&key));
        started.is_some_and(|started| started.phase.is_open())
    }

    pub(super) fn stop_one(
        &mut self,
        (id, key): (muster_wire::JobId, AttemptKey),
        stop: Stop,
        out: &mut Vec<Effect>,
    ) {
        self.holds.release(id, key);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.bar(key);
        let Some(started) = job.attempts.get_mut(&key).filter(|started| started.phase.is_open()) else {
            return;
        };
        started.phase = Phase::Stopping;
        out.push(Effect::Stop(id, key, stop));
    }

    /// A new leader of the job: progress and results go there from now on.
    pub fn adopt(
        &mut self,
        call: &AdoptJob,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<HeldAttempts, RpcError> {
        self.holds.expire(now);
        let job = self.observe(Claim { job: call.job, token: call.token, now }, out)?;
        job.manager = Some(call.manager.clone());
        let mut attempts = job.held();
        attempts.extend(self.holds.of(call.job).map(|key| (key, AttemptState::Reserved)));
        out.push(Effect::Wake(call.job));
        Ok(HeldAttempts { attempts })
    }

    /// The job is over: what still runs is stopped, its results are not wanted any more.
    pub fn forget(
        &mut self,
        call: &ForgetJob,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<Ack, RpcError> {
        if self.jobs.contains_key(&call.job) {
            self.observe(Claim { job: call.job, token: call.token, now }, out)?;
            self.gone(call.job, out);
        }
        Ok(Ack {})
    }
}
