//! Tells the job's group which of its nodes came or went.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use muster_node::driver::{Next, Reconciler};
use muster_swim::{Member, State, Swim};
use muster_wire::{Generation, NodeRef};

use super::{Job, acts, commit, entry, settled, unencodable};
use crate::machine::commands::{GateMembershipEvent, MemberEvent};
use crate::machine::{GateJob, MemberChange};

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
        let news = self.news(job);
        if news.is_empty() {
            return Ok(Next::Idle);
        }
        let entry = news.iter().try_fold(entry(job), |entry, event| entry.with(event));
        commit(job, "membership", entry.map_err(|error| unencodable(&error))?).await?;
        Ok(Next::Idle)
    }

    fn news(&self, job: &Job) -> Vec<GateMembershipEvent> {
        if job.view.state.is_terminal() || !acts(job) {
            return Vec::new();
        }
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
        let event = event_of(&seen, known, &node)?;
        let node = NodeRef { generation: seen.generation, ..node };
        let is_known = known.is_some_and(|change| change.event == event && change.node == node);
        (!is_known).then_some(GateMembershipEvent { event, node })
    }
}

fn event_of(seen: &Member, known: Option<&MemberChange>, node: &NodeRef) -> Option<MemberEvent> {
    match seen.state {
        State::Dead => Some(MemberEvent::Dead),
        State::Left => Some(MemberEvent::Leave),
        State::Alive | State::Suspect => event_of_living(seen.generation, known, node),
    }
}

/// A living node is news when its process is another, or when it was held to be gone.
fn event_of_living(
    generation: Generation,
    known: Option<&MemberChange>,
    node: &NodeRef,
) -> Option<MemberEvent> {
    match generation > known.map_or(node.generation, |change| change.node.generation) {
        true => Some(MemberEvent::NewGeneration),
        false => known.filter(|change| is_gone(change.event)).map(|_| MemberEvent::Join),
    }
}

const fn is_gone(event: MemberEvent) -> bool {
    matches!(event, MemberEvent::Dead | MemberEvent::Leave)
}
