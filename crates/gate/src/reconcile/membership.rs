//! Tells the job's group which of its nodes came or went.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use muster_node::driver::{Next, Reconciler};
use muster_swim::{State, Swim};
use muster_wire::NodeRef;

use super::{Job, acts, commit, entry, settled, unencodable};
use crate::machine::GateJob;
use crate::machine::commands::{GateMembershipEvent, MemberEvent};

pub(super) struct MembershipDuty {
    swim: Swim,
}

impl MembershipDuty {
    pub(super) const fn new(swim: Swim) -> Self {
        Self { swim }
    }
}

impl Reconciler<GateJob> for MembershipDuty {
    fn name(&self) -> &'static str {
        "membership"
    }

    fn reconcile<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Next> {
        async move { settled(self.tell(job).await) }.boxed()
    }
}

impl MembershipDuty {
    async fn tell(&self, job: &Job) -> Result<Next, Next> {
        if job.view.state.is_terminal() || !acts(job) {
            return Ok(Next::Idle);
        }
        let mut entry = entry(job);
        for event in self.news(job) {
            entry.push(&event).map_err(|error| unencodable(&error))?;
        }
        if entry.commands.is_empty() {
            return Ok(Next::Idle);
        }
        commit(job, "membership", entry).await?;
        Ok(Next::Idle)
    }

    fn news(&self, job: &Job) -> Vec<GateMembershipEvent> {
        let leader = job.view.state.leadership.leader.iter().cloned();
        let replicas = job.coordinator.replicas(job.job).into_iter().chain(leader);
        let others = replicas.filter(|node| node.id != job.me.id);
        let mut news: Vec<GateMembershipEvent> = others.filter_map(|node| self.news_of(job, node)).collect();
        news.dedup_by(|one, other| one.node.id == other.node.id);
        news
    }

    /// What the failure detector says of a node and the group does not know yet.
    fn news_of(&self, job: &Job, node: NodeRef) -> Option<GateMembershipEvent> {
        let seen = self.swim.member(node.id)?;
        let known = job.view.state.members.iter().rev().find(|change| change.node.id == node.id);
        let restarted = seen.generation > known.map_or(node.generation, |change| change.node.generation);
        let event = match seen.state {
            State::Dead => Some(MemberEvent::Dead),
            State::Left => Some(MemberEvent::Leave),
            _ if restarted => Some(MemberEvent::NewGeneration),
            _ => known.filter(|change| is_gone(change.event)).map(|_| MemberEvent::Join),
        }?;
        let node = NodeRef { generation: seen.generation, ..node };
        let is_known = known.is_some_and(|change| change.event == event && change.node == node);
        (!is_known).then_some(GateMembershipEvent { event, node })
    }
}

const fn is_gone(event: MemberEvent) -> bool {
    matches!(event, MemberEvent::Dead | MemberEvent::Leave)
}
