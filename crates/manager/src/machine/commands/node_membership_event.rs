//! `node_membership_event`: a worker or a manager that concerns the job came, went or was restarted.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::{AttemptKey, Exit, ExitKind};
use muster_wire::{NodeRef, Role};
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::membership::{EventRow, NodeEvent, gone_by};
use crate::machine::record::JobRecord;
use crate::machine::shard::Certainty;
use crate::machine::state::ManagerJob;

/// Notes an event in committed order. The open attempts of a worker that is gone are lost, and the reply says how many;
/// a manager that is gone no longer leads. Refused: about an older process than the last event (`Stale`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NodeMembershipEvent {
    /// What happened.
    pub event: NodeEvent,
    /// To which process.
    pub node: NodeRef,
    /// What it is.
    pub role: Role,
}

impl Apply<ManagerJob> for NodeMembershipEvent {
    fn apply(self, state: &mut ManagerJob, stamp: Stamp) -> Outcome {
        outcome(self.note(state, stamp))
    }
}

impl NodeMembershipEvent {
    fn note(self, state: &mut ManagerJob, stamp: Stamp) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        self.check(record)?;
        let lost = self.lost(record);
        if self.is_repeat(record) & lost.is_empty() {
            return Ok(Outcome::noop(&0_u32));
        }
        for (key, certainty) in &lost {
            let exit = Exit::because(ExitKind::Lost, format!("worker {} is gone", self.node.name));
            record.end_attempt(*key, (&exit, *certainty), stamp.at_ms);
        }
        let count = lost.len() as u32;
        let (event, node, role) = (self.event, self.node.clone(), self.role);
        record.nodes.note(EventRow { event, node, role, at_ms: stamp.at_ms });
        self.clear_leader(state);
        Ok(Outcome::applied(&count))
    }

    fn check(&self, record: &JobRecord) -> Result<(), Reason> {
        let newest = record.nodes.last(self.node.id).map(|(generation, _)| generation);
        ensure(newest.is_none_or(|newest| newest <= self.node.generation), || Reason::Stale)?;
        let room = record.nodes.has_room_for(self.node.id);
        ensure(room, || Reason::LimitReached { what: "nodes that concern one job".into() })
    }

    fn is_repeat(&self, record: &JobRecord) -> bool {
        record.nodes.last(self.node.id) == Some((self.node.generation, self.event))
    }

    /// Attempts whose worker process is gone. One that waits for its worker is given up when that was restarted.
    fn lost(&self, record: &JobRecord) -> Vec<(AttemptKey, Certainty)> {
        let mut lost = self.attempts(record, true);
        lost.extend(
            self.attempts(record, false)
                .into_iter()
                .filter(|(_, certainty)| *certainty == Certainty::Certain),
        );
        lost
    }

    fn attempts(&self, record: &JobRecord, open: bool) -> Vec<(AttemptKey, Certainty)> {
        let mut found = Vec::new();
        for (ix, workflow) in &record.workflows {
            let rows: Vec<_> = match open {
                true => workflow.open().collect(),
                false => workflow.awaiting().collect(),
            };
            let keys = rows.into_iter().filter_map(|(shard, row)| {
                let worker = record.worker_of(row).filter(|worker| self.is_gone(worker))?;
                let key = AttemptKey { workflow: *ix, shard, attempt: row.last_attempt() };
                Some((key, self.certainty(worker)))
            });
            found.extend(keys);
        }
        found
    }

    fn is_gone(&self, worker: &NodeRef) -> bool {
        (worker.id == self.node.id) & gone_by(worker.generation, self.node.generation, self.event)
    }

    /// A process that said goodbye or was followed by another does not run; one that vanished may.
    fn certainty(&self, worker: &NodeRef) -> Certainty {
        let followed = worker.generation < self.node.generation;
        match followed | (self.event == NodeEvent::Leave) {
            true => Certainty::Certain,
            false => Certainty::Presumed,
        }
    }

    fn clear_leader(&self, state: &mut ManagerJob) {
        if state.leader.as_ref().is_some_and(|leader| self.is_gone(leader)) {
            state.leader = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::machine::world::{World, manager_dead, reserve, worker_dead, worker_restarted};
    use muster_wire::Token;
    use muster_wire::job::ShardState;
    use muster_wire::spec::OnLost;

    #[test]
    fn the_open_attempts_of_a_dead_worker_are_lost_and_tried_again() {
        let mut world = World::started();
        assert_eq!(world.applied(&worker_dead(1)), Some(2));
        assert_eq!(world.row(0, 0).losses, 1);
        assert_eq!(world.row(0, 0).state(), ShardState::Pending);
    }

    #[test]
    fn nothing_is_registered_on_a_worker_that_is_gone() {
        let mut world = World::registered();
        world.applied(&worker_dead(1));
        world.refused(&reserve(0, 0, 1), "not_allowed");
    }

    #[test]
    fn a_job_that_waits_for_its_worker_retries_after_that_was_restarted() {
        let mut world = World::started_with(OnLost::Wait);
        world.applied(&worker_dead(1));
        assert_eq!(world.row(0, 0).state(), ShardState::Lost);
        assert_eq!(world.applied(&worker_restarted(1)), Some(2));
        assert_eq!(world.row(0, 0).state(), ShardState::Pending);
    }

    #[test]
    fn an_event_about_an_older_process_is_stale() {
        let mut world = World::started();
        world.applied(&worker_restarted(1));
        world.refused(&worker_dead(1), "stale");
    }

    #[test]
    fn a_dead_manager_no_longer_leads_and_its_token_is_kept() {
        let mut world = World::led();
        world.applied(&manager_dead(1));
        assert_eq!((world.state().leader(), world.state().token), (None, Token(1)));
    }
}
