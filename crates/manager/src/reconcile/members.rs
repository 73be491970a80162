//! What membership says about the managers that hold the job's replicas goes into its log.

use muster_node::driver::Next;
use muster_swim::{Member, State};
use muster_wire::Role;

use super::{Job, acting, reconciler};
use crate::draft::Draft;
use crate::machine::commands::NodeMembershipEvent;
use crate::machine::{JobRecord, NodeEvent};
use crate::seats::node_ref;

reconciler!(
    /// Notes replicas that are gone or back.
    Members, "members"
);

impl Members {
    async fn run(&self, job: &Job) -> Next {
        let Some(record) = acting(job) else { return Next::Idle };
        let mut draft = Draft::new(job.job, &job.view, job.now_ms());
        for replica in job.coordinator.replicas(job.job).into_iter().filter(|replica| replica.id != job.me.id)
        {
            let Some(member) = self.shared.swim.member(replica.id) else { continue };
            if let Some(event) = event(record, &member) {
                draft.push(&NodeMembershipEvent { event, node: node_ref(&member), role: Role::Manager });
            }
        }
        self.shared.commit(job.job, draft).await.next()
    }
}

/// Only changes are told: a replica that was always there is no event.
fn event(record: &JobRecord, member: &Member) -> Option<NodeEvent> {
    let last = record.nodes().last(member.id);
    let was_gone = last.is_some_and(|(_, event)| event.is_gone());
    let is_newer = last.is_some_and(|(generation, _)| generation < member.generation);
    match (member.state, was_gone) {
        (State::Dead, _) => Some(NodeEvent::Dead),
        (State::Left, _) => Some(NodeEvent::Leave),
        (State::Alive, true) => Some(back(is_newer)),
        (State::Alive | State::Suspect, _) => None,
    }
}

const fn back(is_newer: bool) -> NodeEvent {
    match is_newer {
        true => NodeEvent::NewGeneration,
        false => NodeEvent::Join,
    }
}
