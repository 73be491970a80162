//! Evidence that a leader's process is gone, keyed by (node, generation): a link that was lost and whose redial is
//! refused, a newer process in a handshake, silence on a link, a confirmed death. Never a mere suspicion.

use std::sync::Arc;
use std::time::Duration;

use muster_link::{CallError, DownCause, LinkEvent};
use muster_machine::Machine;
use muster_runtime::TaskKind;
use muster_swim::Event;
use muster_wire::hello::Hello;
use muster_wire::rpc::raft::{LeaderGone, LeaderGoneReply};
use muster_wire::{Generation, MemberNumber, NodeId};
use tokio::sync::broadcast::error::RecvError;

use super::Host;

const LINKS: TaskKind = TaskKind::vital("link_evidence");
const DEATHS: TaskKind = TaskKind::vital("death_evidence");
const TELL: TaskKind = TaskKind::new("evidence_tell");
/// How long another host may take to look for itself.
const TELL_WITHIN: Duration = Duration::from_secs(1);

pub(crate) fn start<M: Machine>(host: &Arc<Host<M>>) {
    let (links, deaths) = (host.clone(), host.clone());
    host.scope().spawn_until_stop(LINKS, async move { links.follow_links().await });
    host.scope().spawn_until_stop(DEATHS, async move { deaths.follow_deaths().await });
}

/// A process that is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gone {
    pub(crate) node: NodeId,
    pub(crate) member: MemberNumber,
    pub(crate) generation: Generation,
}

impl Gone {
    /// Every process before this one.
    fn before(self) -> Self {
        Self { generation: Generation(self.generation.0.saturating_sub(1)), ..self }
    }
}

impl<M: Machine> Host<M> {
    async fn follow_links(self: Arc<Self>) {
        let mut events = self.peers().links().events();
        loop {
            match events.recv().await {
                Ok(event) => self.on_link(&event),
                Err(RecvError::Lagged(_)) => self.wake_towards(None),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn on_link(self: &Arc<Self>, event: &LinkEvent) {
        let Some(process) = peer_of(event).and_then(|peer| self.process_of(peer)) else { return };
        match event {
            LinkEvent::Up { peer, .. } => self.on_up(peer, process),
            LinkEvent::Down { cause: DownCause::Silent, .. } => self.on_process_gone(process, "silent"),
            LinkEvent::Refused { .. } => self.on_process_gone(process, "refused"),
            LinkEvent::Down { .. } => {}
        }
    }

    /// The member at the other end; `None` for others. A handshake of before the founding does not name the member.
    fn process_of(&self, hello: &Hello) -> Option<Gone> {
        self.peers().learn_hello(hello);
        let member = self.peers().member_of(hello.node)?;
        Some(Gone { node: hello.node, member, generation: hello.generation })
    }

    fn on_up(self: &Arc<Self>, peer: &Hello, process: Gone) {
        tracing::debug!(member = %process.member, generation = %peer.generation, "a member can be reached");
        self.on_processes_gone(process.before(), "restarted");
        self.wake_towards(Some(process.member));
    }

    async fn follow_deaths(self: Arc<Self>) {
        let (_, mut events) = self.peers().swim().subscribe();
        while let Some(event) = events.next().await {
            self.on_swim(&event);
        }
    }

    fn on_swim(self: &Arc<Self>, event: &Event) {
        match event {
            Event::Dead { id, generation, .. } => self.on_node_gone((*id, *generation), "dead"),
            Event::Leave { id, generation, .. } => self.on_node_gone((*id, *generation), "left"),
            _ => {}
        }
    }

    fn on_node_gone(self: &Arc<Self>, (node, generation): (NodeId, Generation), why: &'static str) {
        if let Some(member) = self.peers().member_of(node) {
            self.on_process_gone(Gone { node, member, generation }, why);
        }
    }

    /// The slow sweep: evidence that was lost counts late. Of a member that lives, every process but the newest is gone.
    pub(crate) fn sweep(self: &Arc<Self>) {
        for node in self.peers().others() {
            let newest = Gone { node: node.id, member: node.member, generation: node.generation };
            let gone = if self.peers().is_live(node.member) { newest.before() } else { newest };
            self.on_processes_gone(gone, "swept");
        }
    }

    /// Acts on evidence of this node's own, and tells the other hosts.
    fn on_process_gone(self: &Arc<Self>, gone: Gone, why: &'static str) {
        if self.on_processes_gone(gone, why) > 0 {
            self.tell_others(gone);
        }
    }

    fn tell_others(self: &Arc<Self>, gone: Gone) {
        for other in self.peers().others().into_iter().filter(|other| other.member != gone.member) {
            let host = self.clone();
            let call = LeaderGone { member: gone.member, node: gone.node, generation: gone.generation };
            self.scope().spawn_until_stop(TELL, async move {
                let told = host.peers().links().call_node(&other, &call, TELL_WITHIN).await;
                tracing::debug!(other = other.name, ?told, "told that a process is gone");
            });
        }
    }

    /// Another host says that a process is gone: this host looks for itself first.
    pub(crate) async fn on_told(self: &Arc<Self>, told: LeaderGone) -> LeaderGoneReply {
        let gone = Gone { node: told.node, member: told.member, generation: told.generation };
        match self.is_alive(&gone).await {
            true => LeaderGoneReply::Alive,
            false => {
                self.on_processes_gone(gone, "told");
                LeaderGoneReply::Gone
            }
        }
    }

    async fn is_alive(&self, gone: &Gone) -> bool {
        let Some(node) = self.peers().node(gone.member) else { return false };
        let within = self.config.profile.timing().heartbeat() * 2;
        match self.peers().links().identify(&node.addr, within).await {
            Ok(hello) => hello.node == gone.node && hello.generation <= gone.generation,
            Err(CallError::Busy | CallError::Stopping) => true,
            Err(_) => false,
        }
    }
}

fn peer_of(event: &LinkEvent) -> Option<&Arc<Hello>> {
    match event {
        LinkEvent::Up { peer, .. } | LinkEvent::Down { peer, .. } => Some(peer),
        LinkEvent::Refused { peer, .. } => peer.as_ref(),
    }
}
