//! One shard: its newest attempt, what was used up, and what comes next.

use std::sync::Arc;

use muster_wire::job::{AttemptState, Exit, ExitKind, Outputs, ShardState};
use muster_wire::spec::OnLost;
use muster_wire::{Attempt, DispatchToken};
use serde::{Deserialize, Serialize};

use super::limits::{BACKOFF_MS_MAX, LOST_ATTEMPTS_MAX, REFUSED_DELAY_MS, REFUSED_DELAY_MS_MAX};
use super::text::digest64;

/// What comes next for a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Phase {
    /// May be dispatched, at its retry time at the earliest.
    #[default]
    Waiting,
    /// Its newest attempt is open.
    Open,
    /// Its newest attempt is lost and the job waits for the worker.
    Awaiting,
    /// Decided: accepted.
    Succeeded,
    /// Decided: failed, no retries left.
    Failed,
    /// Decided: lost, no lost attempts left.
    Lost,
    /// Decided: cancelled.
    Cancelled,
}

impl Phase {
    /// No attempt will follow.
    pub const fn is_decided(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Lost | Self::Cancelled)
    }
}

/// One try. Field names are short because a snapshot holds up to 100,000 of these.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AttemptRow {
    /// Its number.
    #[serde(rename = "n")]
    pub attempt: Attempt,
    /// Its state.
    #[serde(rename = "s")]
    pub state: AttemptState,
    /// Its worker, by position in the record's list.
    #[serde(rename = "w")]
    pub worker: u32,
    /// Cores reserved for it.
    #[serde(rename = "c")]
    pub cores: u32,
    /// Its own fence.
    #[serde(rename = "d")]
    pub dispatch: DispatchToken,
    /// The last progress row applied.
    #[serde(rename = "q")]
    pub sequence: u64,
    /// What the process says of itself; never falls.
    #[serde(rename = "p")]
    pub progress: Progress,
    /// Digest of the recorded result; 0: none.
    #[serde(rename = "r")]
    pub result_digest: u64,
    /// Its context values were merged, or found too large to merge.
    #[serde(rename = "m")]
    pub context_merged: bool,
}

/// Counters of a running attempt.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Things done.
    #[serde(rename = "c")]
    pub completed: u64,
    /// Things that failed.
    #[serde(rename = "f")]
    pub failed: u64,
    /// 0..1.
    #[serde(rename = "x")]
    pub fraction: f64,
    /// When its process started, worker's wall clock; 0: not known.
    #[serde(rename = "s")]
    pub started_at_ms: u64,
}

impl Progress {
    /// The larger of each; a fraction that is no number counts as 0.
    #[must_use]
    pub fn risen_to(self, newer: Self) -> Self {
        Self {
            completed: self.completed.max(newer.completed),
            failed: self.failed.max(newer.failed),
            fraction: self.fraction.max(newer.fraction).clamp(0.0, 1.0),
            started_at_ms: self.started_at_ms.max(newer.started_at_ms),
        }
    }
}

/// The result that was recorded last for a shard.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ResultRow {
    /// How it ended.
    #[serde(rename = "e")]
    pub exit: Exit,
    /// What it put out.
    #[serde(rename = "o")]
    pub outputs: Outputs,
    /// Worker's wall clock; 0: never started.
    #[serde(rename = "b")]
    pub started_at_ms: u64,
    /// Worker's wall clock.
    #[serde(rename = "f")]
    pub finished_at_ms: u64,
}

/// One shard.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ShardRow {
    /// What comes next.
    #[serde(rename = "p")]
    pub phase: Phase,
    /// Not before this, when waiting for a retry; 0: at once.
    #[serde(rename = "t")]
    pub not_before_ms: u64,
    /// The newest attempt.
    #[serde(rename = "a")]
    pub last: Option<AttemptRow>,
    /// Failed attempts.
    #[serde(rename = "f")]
    pub failures: u32,
    /// Lost attempts.
    #[serde(rename = "l")]
    pub losses: u32,
    /// Starts that a worker refused.
    #[serde(rename = "r")]
    pub refusals: u32,
    /// The last recorded result.
    #[serde(rename = "e")]
    pub result: Option<Arc<ResultRow>>,
}

/// What decides the next step after an attempt has ended.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Retries after failed attempts.
    pub retries: u32,
    /// First delay, doubles.
    pub backoff_ms: u64,
    /// What a lost attempt means.
    pub on_lost: OnLost,
    /// No further attempt is allowed: the workflow is being cancelled.
    pub blocked: bool,
    /// Now, replicated time.
    pub at_ms: u64,
    /// Spreads retries; the same on every replica.
    pub spread: u64,
}

/// Is the process of a lost attempt known to be gone?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Certainty {
    /// Its worker is out of reach; it may still run.
    Presumed,
    /// It does not run any more.
    Certain,
}

impl ShardRow {
    /// Derived: what people see.
    pub fn state(&self) -> ShardState {
        match self.phase {
            Phase::Waiting => ShardState::Pending,
            Phase::Open => self.open_state(),
            Phase::Awaiting | Phase::Lost => ShardState::Lost,
            Phase::Succeeded => ShardState::Succeeded,
            Phase::Failed => ShardState::Failed,
            Phase::Cancelled => ShardState::Cancelled,
        }
    }

    fn open_state(&self) -> ShardState {
        match self.last.as_ref().map(|last| last.state) {
            Some(AttemptState::Running) => ShardState::Running,
            _ => ShardState::Pending,
        }
    }

    /// Number of the newest attempt; 0: none yet.
    pub fn last_attempt(&self) -> Attempt {
        self.last.as_ref().map_or(Attempt(0), |last| last.attempt)
    }

    /// The newest attempt, if it is the one named.
    pub fn attempt(&self, attempt: Attempt) -> Option<&AttemptRow> {
        self.last.as_ref().filter(|last| last.attempt == attempt)
    }

    /// Changes the newest attempt's state.
    pub const fn set_state(&mut self, state: AttemptState) {
        if let Some(last) = &mut self.last {
            last.state = state;
        }
    }

    /// The newest attempt has ended with `kind`: its state, what is used up, and what comes next.
    pub fn end(&mut self, exit: &Exit, certainty: Certainty, policy: &Policy) {
        match attempt_end(exit) {
            AttemptState::Succeeded => self.succeed(),
            AttemptState::Lost => self.lose(certainty, policy),
            AttemptState::Refused => self.refuse(policy),
            AttemptState::Cancelled => self.stop(policy),
            _ => self.fail(policy),
        }
    }

    fn succeed(&mut self) {
        self.set_state(AttemptState::Succeeded);
        self.phase = Phase::Succeeded;
    }

    fn fail(&mut self, policy: &Policy) {
        self.set_state(AttemptState::Failed);
        self.failures += 1;
        match self.failures > policy.retries {
            true => self.phase = Phase::Failed,
            false => self.retry(backoff_ms(policy, self.failures), policy),
        }
    }

    fn refuse(&mut self, policy: &Policy) {
        self.set_state(AttemptState::Refused);
        self.refusals = self.refusals.saturating_add(1);
        let delay_ms = REFUSED_DELAY_MS.saturating_mul(1 << self.refusals.min(10)).min(REFUSED_DELAY_MS_MAX);
        self.retry(delay_ms, policy);
    }

    /// Stopped although nothing cancelled it counts as lost: it uses the lost budget.
    fn stop(&mut self, policy: &Policy) {
        self.set_state(AttemptState::Cancelled);
        self.use_up_loss(policy);
    }

    fn lose(&mut self, certainty: Certainty, policy: &Policy) {
        self.set_state(AttemptState::Lost);
        match (policy.on_lost, certainty) {
            (OnLost::Fail, _) => self.give_up_lost(policy),
            (OnLost::Wait, Certainty::Presumed) => self.await_worker(policy),
            (OnLost::Wait, Certainty::Certain) | (OnLost::Retry, _) => self.use_up_loss(policy),
        }
    }

    const fn await_worker(&mut self, policy: &Policy) {
        self.phase = match policy.blocked {
            true => Phase::Cancelled,
            false => Phase::Awaiting,
        };
    }

    const fn give_up_lost(&mut self, policy: &Policy) {
        self.losses += 1;
        self.phase = match policy.blocked {
            true => Phase::Cancelled,
            false => Phase::Lost,
        };
    }

    fn use_up_loss(&mut self, policy: &Policy) {
        self.losses += 1;
        match self.losses > LOST_ATTEMPTS_MAX {
            true => self.phase = Phase::Lost,
            false => self.retry(0, policy),
        }
    }

    const fn retry(&mut self, delay_ms: u64, policy: &Policy) {
        self.not_before_ms = policy.at_ms.saturating_add(delay_ms);
        self.phase = match policy.blocked {
            true => Phase::Cancelled,
            false => Phase::Waiting,
        };
    }
}

/// What an exit makes of its attempt.
pub(super) fn attempt_end(exit: &Exit) -> AttemptState {
    match exit.kind {
        ExitKind::Exited => exited(exit),
        ExitKind::Signaled | ExitKind::TimedOut | ExitKind::SpawnFailed => AttemptState::Failed,
        ExitKind::Lost => AttemptState::Lost,
        ExitKind::Refused => AttemptState::Refused,
        ExitKind::Cancelled => AttemptState::Cancelled,
    }
}

fn exited(exit: &Exit) -> AttemptState {
    match exit.is_success() {
        true => AttemptState::Succeeded,
        false => AttemptState::Failed,
    }
}

/// Doubles with each failure; drawn from the upper half by the policy's spread.
fn backoff_ms(policy: &Policy, failures: u32) -> u64 {
    let doubled = policy.backoff_ms.saturating_mul(1 << failures.saturating_sub(1).min(30));
    let full = doubled.min(BACKOFF_MS_MAX.max(policy.backoff_ms));
    let half = full / 2;
    full - digest64(&policy.spread.to_be_bytes()) % (half + 1)
}

#[cfg(test)]
#[path = "shard_test.rs"]
mod shard_test;
