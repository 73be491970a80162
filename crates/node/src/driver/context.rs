//! What a reconciler sees of one job.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use muster_consensus::{Coordinator, View};
use muster_link::Links;
use muster_machine::Machine;
use muster_runtime::Clock;
use muster_wire::{JobId, NodeRef, Token};
use tokio::sync::watch;

use super::round::{Moment, Run};
use super::{Next, Reconciler};

/// One job at the start of a run.
pub struct JobContext<M: Machine> {
    /// The job.
    pub job: JobId,
    /// Its state.
    pub view: View<M>,
    /// The Raft term in which this node leads it.
    pub term: u64,
    /// For proposals (`propose_here`) and reads.
    pub coordinator: Coordinator<M>,
    /// For calls to other nodes.
    pub links: Links,
    /// The node's clock.
    pub clock: Clock,
    /// This node.
    pub me: NodeRef,
    /// Runs this job's reconcilers again; clones may be kept by tasks that wait for an answer.
    pub wake: Wake,
}

impl<M: Machine> JobContext<M> {
    /// The token that fenced commands must carry.
    pub fn token(&self) -> Token {
        self.view.token()
    }

    /// Now, in ms since 1970: never before the replicated time of the view.
    pub fn now_ms(&self) -> u64 {
        self.view.at_ms.max(self.clock.unix_ms())
    }
}

/// Runs a job's reconcilers soon. Cheap to clone; pokes of a job that is no longer led do nothing.
#[derive(Clone, Debug)]
pub struct Wake(Arc<watch::Sender<u64>>);

impl Wake {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// Runs them once more, also if they are running now.
    pub fn poke(&self) {
        self.0.send_modify(|pokes| *pokes = pokes.wrapping_add(1));
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// A reconciler with what it is given besides its job.
pub(super) struct Wired<M: Machine> {
    pub(super) reconciler: Arc<dyn Reconciler<M>>,
    pub(super) coordinator: Coordinator<M>,
    pub(super) links: Links,
    pub(super) clock: Clock,
}

impl<M: Machine> Run<M> for Wired<M> {
    fn name(&self) -> &'static str {
        self.reconciler.name()
    }

    fn run(&self, at: Moment<M>) -> BoxFuture<'_, Next> {
        let Moment { job, view, term, wake } = at;
        let (coordinator, links, clock) = (self.coordinator.clone(), self.links.clone(), self.clock.clone());
        let me = coordinator.me();
        let context = JobContext { job, view, term, coordinator, links, clock, me, wake };
        async move { self.reconciler.reconcile(&context).await }.boxed()
    }
}
