//! `gate_membership_event`: a gate that concerns this group came or went.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::NodeRef;
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::state::{GateJob, MemberChange};

/// Membership events that one job keeps.
const MEMBERS_MAX: usize = 1_000;

/// A node of this group came or went.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct GateMembershipEvent {
    /// What happened.
    pub event: MemberEvent,
    /// To whom.
    pub node: NodeRef,
}

/// What happened to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberEvent {
    /// It came, or came back.
    Join,
    /// It left by itself.
    Leave,
    /// It is held to be dead.
    Dead,
    /// Its process was started again.
    NewGeneration,
}

impl Apply<GateJob> for GateMembershipEvent {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        settle(self.note(job, stamp))
    }
}

impl GateMembershipEvent {
    fn note(self, job: &mut GateJob, stamp: Stamp) -> Tried {
        let last = job.members.iter().rev().find(|known| known.node.id == self.node.id);
        if last.is_some_and(|known| known.event == self.event && known.node == self.node) {
            return Ok(Outcome::same());
        }
        let newer = last.is_none_or(|known| self.node.generation >= known.node.generation);
        ensure(newer, || Reason::Stale)?;
        job.leadership.leader_is_gone |= self.takes_the_leader(job);
        job.members.push_back(MemberChange { event: self.event, node: self.node, at_ms: stamp.at_ms });
        while job.members.len() > MEMBERS_MAX {
            job.members.pop_front();
        }
        Ok(Outcome::done())
    }

    /// Is the leader's process gone by this event?
    fn takes_the_leader(&self, job: &GateJob) -> bool {
        let Some(leader) = job.leadership.leader.as_ref().filter(|leader| leader.id == self.node.id) else {
            return false;
        };
        match self.event {
            MemberEvent::Join => false,
            MemberEvent::Leave | MemberEvent::Dead => leader.generation <= self.node.generation,
            MemberEvent::NewGeneration => leader.generation < self.node.generation,
        }
    }
}

#[cfg(test)]
#[path = "gate_membership_event_test.rs"]
mod gate_membership_event_test;
#[cfg(test)]
pub(crate) use gate_membership_event_test::CASES;
