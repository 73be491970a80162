//! One group's place in the table. Its owner is the task that loads or closes it; everybody else reads its phase.

use std::sync::Arc;

use muster_machine::Machine;
use muster_wire::{GroupId, JobId, RaftId, Token};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::standing::Standing;
use crate::error::ProposeError;
use crate::raft::group::{Group, Opening};
use crate::status::GroupStatus;

/// What a slot holds.
pub(crate) enum Phase<M: Machine> {
    /// Being opened: callers wait.
    Loading,
    /// Running.
    Awake(Arc<Group<M>>),
    /// Being stopped and, after a retirement, destroyed.
    Closing,
    /// It cannot be served here.
    Failed(String),
}

impl<M: Machine> Clone for Phase<M> {
    fn clone(&self) -> Self {
        match self {
            Self::Loading => Self::Loading,
            Self::Awake(group) => Self::Awake(group.clone()),
            Self::Closing => Self::Closing,
            Self::Failed(why) => Self::Failed(why.clone()),
        }
    }
}

impl<M: Machine> Phase<M> {
    /// The word used in metrics and for people.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Awake(_) => "awake",
            Self::Closing => "closing",
            Self::Failed(_) => "failed",
        }
    }
}

/// One group's place in the table.
pub(crate) struct Slot<M: Machine> {
    pub(crate) opening: Opening,
    pub(crate) standing: Arc<Standing>,
    phase: watch::Sender<Phase<M>>,
}

impl<M: Machine> Slot<M> {
    pub(crate) fn loading(opening: Opening, standing: Arc<Standing>) -> Self {
        Self { opening, standing, phase: watch::channel(Phase::Loading).0 }
    }

    pub(crate) fn job(&self) -> JobId {
        self.opening.job
    }

    pub(crate) fn group_id(&self) -> GroupId {
        self.opening.group
    }

    pub(crate) fn replica(&self) -> RaftId {
        self.opening.me
    }

    pub(crate) fn phase(&self) -> Phase<M> {
        self.phase.borrow().clone()
    }

    /// The group, if it runs.
    pub(crate) fn awake(&self) -> Option<Arc<Group<M>>> {
        match &*self.phase.borrow() {
            Phase::Awake(group) => Some(group.clone()),
            Phase::Loading | Phase::Closing | Phase::Failed(_) => None,
        }
    }

    /// The group, waiting while it is being opened.
    pub(crate) async fn group(&self, deadline: Instant) -> Result<Arc<Group<M>>, ProposeError> {
        let mut phases = self.phase.subscribe();
        let settled = timeout_at(deadline, phases.wait_for(|phase| !matches!(phase, Phase::Loading))).await;
        let Ok(Ok(phase)) = settled else { return Err(ProposeError::busy()) };
        match &*phase {
            Phase::Awake(group) => Ok(group.clone()),
            Phase::Loading | Phase::Closing | Phase::Failed(_) => Err(ProposeError::NotServing),
        }
    }

    /// The end of loading; false when the slot was closed meanwhile, and the group is not wanted.
    pub(crate) fn settle(&self, phase: Phase<M>) -> bool {
        self.phase.send_if_modified(|now| match now {
            Phase::Loading => replaced(now, phase),
            Phase::Awake(_) | Phase::Closing | Phase::Failed(_) => false,
        })
    }

    /// The group has stopped by itself.
    pub(crate) fn fail(&self, why: String) -> bool {
        self.phase.send_if_modified(|now| match now {
            Phase::Awake(_) => replaced(now, Phase::Failed(why)),
            Phase::Loading | Phase::Closing | Phase::Failed(_) => false,
        })
    }

    /// Takes the slot for closing: what it held, or `None` if somebody else is closing it.
    pub(crate) fn begin_closing(&self) -> Option<Phase<M>> {
        let held = self.phase.send_replace(Phase::Closing);
        match held {
            Phase::Closing => None,
            other => Some(other),
        }
    }

    /// As shown to people.
    pub(crate) fn status(&self) -> GroupStatus {
        match self.awake() {
            Some(group) => group.status(),
            None => self.bare_status(),
        }
    }

    fn bare_status(&self) -> GroupStatus {
        GroupStatus {
            job: Some(self.job()),
            group: self.group_id(),
            set_index: self.opening.set_index,
            state: self.phase().word(),
            role: "learner",
            leader: None,
            term: 0,
            token: Token(0),
            last_log: None,
            committed: None,
            applied: None,
            snapshot: None,
            purged: None,
            replicas: Vec::new(),
        }
    }
}

fn replaced<M: Machine>(now: &mut Phase<M>, phase: Phase<M>) -> bool {
    *now = phase;
    true
}
