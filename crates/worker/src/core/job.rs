//! What a worker knows of one job.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_wire::job::{AttemptKey, AttemptState, Exit, ExitKind};
use muster_wire::rpc::RpcError;
use muster_wire::{Attempt, NodeRef, Shard, Token, WorkflowIx};

use super::TOKEN_LEAP_MAX;

/// The state of an attempt that ended like this.
pub fn state_of(exit: &Exit) -> AttemptState {
    match (exit.kind, exit.is_success()) {
        (_, true) => AttemptState::Succeeded,
        (ExitKind::Cancelled, _) => AttemptState::Cancelled,
        (ExitKind::Lost, _) => AttemptState::Lost,
        (ExitKind::Refused, _) => AttemptState::Refused,
        _ => AttemptState::Failed,
    }
}

/// How far an attempt is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Running,
    Stopping,
    Ended { state: AttemptState, acknowledged: bool },
}

impl Phase {
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Running | Self::Stopping)
    }

    fn is_owed(self) -> bool {
        matches!(self, Self::Ended { acknowledged: false, .. })
    }

    pub(super) fn state(self) -> AttemptState {
        match self {
            Self::Running | Self::Stopping => AttemptState::Running,
            Self::Ended { state, .. } => state,
        }
    }
}

/// One attempt that was started here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started {
    pub(super) phase: Phase,
    pub(super) cores: u32,
}

/// One job.
pub(super) struct Job {
    /// The highest token seen.
    pub(super) token: Token,
    /// Who leads it, as far as known.
    pub(super) manager: Option<NodeRef>,
    /// When its manager was last heard or reached.
    pub(super) contact: Duration,
    /// When anything was last said about it.
    pub(super) touched: Duration,
    /// Being forgotten: no result is wanted any more.
    pub(super) over: bool,
    pub(super) attempts: BTreeMap<AttemptKey, Started>,
    /// Per shard the highest attempt that was started, stopped or refused: it and all below never start again.
    floor: BTreeMap<(WorkflowIx, Shard), Attempt>,
}

impl Job {
    pub(super) fn new(token: Token, now: Duration) -> Self {
        Self {
            token,
            manager: None,
            contact: now,
            touched: now,
            over: false,
            attempts: BTreeMap::new(),
            floor: BTreeMap::new(),
        }
    }

    pub(super) fn observe(&mut self, token: Token, now: Duration) -> Result<(), RpcError> {
        if token < self.token {
            return Err(RpcError::Fenced { by: self.token });
        }
        if token.0 - self.token.0 > TOKEN_LEAP_MAX {
            return Err(RpcError::Refused { why: format!("token {token} is far above {}", self.token) });
        }
        self.token = token;
        self.reached(now);
        Ok(())
    }

    pub(super) fn reached(&mut self, now: Duration) {
        self.contact = now;
        self.touched = now;
    }

    /// May this attempt still be started here?
    pub(super) fn may_start(&self, key: AttemptKey) -> bool {
        self.floor.get(&(key.workflow, key.shard)).is_none_or(|floor| key.attempt > *floor)
    }

    /// Neither this attempt nor a lower one of the shard is started from now on.
    pub(super) fn bar(&mut self, key: AttemptKey) {
        let floor = self.floor.entry((key.workflow, key.shard)).or_default();
        *floor = key.attempt.max(*floor);
    }

    pub(super) fn begin(&mut self, key: AttemptKey, started: Started) {
        self.bar(key);
        self.attempts.insert(key, started);
        self.prune();
    }

    /// Drops what is answered by the floor alone: acknowledged attempts below it.
    pub(super) fn prune(&mut self) {
        let floor = &self.floor;
        self.attempts.retain(|key, started| {
            let top = floor.get(&(key.workflow, key.shard)).is_none_or(|floor| key.attempt >= *floor);
            top || started.phase.is_open() || started.phase.is_owed()
        });
    }

    pub(super) fn open(&self) -> impl Iterator<Item = AttemptKey> {
        self.attempts.iter().filter(|(_, started)| started.phase.is_open()).map(|(key, _)| *key)
    }

    pub(super) fn running(&self) -> impl Iterator<Item = AttemptKey> {
        self.attempts.iter().filter(|(_, started)| started.phase == Phase::Running).map(|(key, _)| *key)
    }

    /// How many results are not acknowledged.
    pub(super) fn owed(&self) -> usize {
        self.attempts.values().filter(|started| started.phase.is_owed()).count()
    }

    /// Nothing runs and nothing is owed.
    pub(super) fn is_idle(&self) -> bool {
        !self.attempts.values().any(|started| started.phase.is_open() || started.phase.is_owed())
    }

    /// Attempts that run, or whose result is not acknowledged.
    pub(super) fn held(&self) -> Vec<(AttemptKey, AttemptState)> {
        let held = self.attempts.iter().filter(|(_, started)| {
            let phase = started.phase;
            phase.is_open() || phase.is_owed()
        });
        held.map(|(key, started)| (*key, started.phase.state())).collect()
    }
}
