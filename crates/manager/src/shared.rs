//! What handlers and reconcilers of one manager share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use imbl::OrdMap;
use muster_consensus::{Coordinator, ProposeError, View};
use muster_link::Links;
use muster_machine::{EntryReply, Reason};
use muster_node::driver::{Driver, Next};
use muster_runtime::{Clock, TaskScope};
use muster_swim::Swim;
use muster_wire::rpc::RpcError;
use muster_wire::{JobId, NodeRef};

use crate::draft::Draft;
use crate::gates::Gates;
use crate::machine::ManagerJob;
use crate::per_job::Forget;
use crate::progress::ProgressDesk;
use crate::results::ResultDesk;
use crate::seats::{Load, Seat, seats};

/// One proposal, from its start to its answer.
pub(crate) const PROPOSE_WITHIN: Duration = Duration::from_secs(5);
/// One reservation: workers answer at once.
pub(crate) const RESERVE_WITHIN: Duration = Duration::from_secs(1);
/// One call to a worker or a gate.
pub(crate) const CALL_WITHIN: Duration = Duration::from_secs(3);

/// The parts of a running manager.
pub(crate) struct Shared {
    /// The groups.
    pub coordinator: Coordinator<ManagerJob>,
    /// Calls to other nodes.
    pub links: Links,
    /// Who is there.
    pub swim: Swim,
    /// The node's clock.
    pub clock: Clock,
    /// Owns the tasks that desks start.
    pub scope: TaskScope,
    /// This datacenter.
    pub datacenter: String,
    /// A group without a submission is made void after this.
    pub register_timeout: Duration,
    /// Replicas of a job's group.
    pub replication: u32,
    /// Cores in use by jobs led here.
    pub load: Load,
    /// Gates that have called.
    pub gates: Gates,
    /// Progress on its way into the log.
    pub progress: ProgressDesk,
    /// Results on their way into the log.
    pub results: ResultDesk,
    /// What the process has dispatched.
    pub counts: DispatchCounts,
    /// Runs the reconcilers, once started.
    pub driver: OnceLock<Driver>,
}

/// Since the process started.
#[derive(Default)]
pub(crate) struct DispatchCounts {
    started: AtomicU64,
    refused: AtomicU64,
}

impl DispatchCounts {
    /// A worker has started a shard.
    pub(crate) fn note_started(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("muster_dispatches_total", "outcome" => "started").increment(1);
    }

    /// A worker would not start a shard, or had no room for it.
    pub(crate) fn note_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("muster_dispatches_total", "outcome" => "refused").increment(1);
    }

    /// Started, refused.
    pub(crate) fn get(&self) -> (u64, u64) {
        (self.started.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }
}

/// What a committed draft came to.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Committed {
    /// There was nothing to commit.
    Nothing,
    /// It is applied.
    Done(EntryReply),
    /// The state had moved on: the entry was undone.
    Undone(Reason),
    /// It is not known to be committed.
    Failed(ProposeError),
}

impl Committed {
    /// When to look again. After a commit the change itself starts the reconcilers.
    pub(crate) fn next(&self) -> Next {
        match self {
            Self::Nothing | Self::Done(_) => Next::Idle,
            Self::Undone(reason) => after_refusal(reason),
            Self::Failed(ProposeError::Busy { retry_after_ms }) => {
                Next::After(Duration::from_millis((*retry_after_ms).max(10)))
            }
            Self::Failed(_) => Next::After(Duration::from_millis(500)),
        }
    }

    /// Is it applied, or was there nothing to do?
    pub(crate) const fn is_done(&self) -> bool {
        matches!(self, Self::Nothing | Self::Done(_))
    }
}

/// The next step for each reason of a refusal.
fn after_refusal(reason: &Reason) -> Next {
    match reason {
        Reason::Gone { .. } | Reason::Fenced { .. } | Reason::UnknownJob => Next::Idle,
        Reason::Conflict { .. }
        | Reason::NotAllowed { .. }
        | Reason::AlreadyTerminal { .. }
        | Reason::Undone => Next::After(Duration::from_millis(50)),
        Reason::NotYet | Reason::Held { .. } | Reason::Stale | Reason::AlreadyRecorded => {
            Next::After(Duration::from_millis(200))
        }
        Reason::Busy { retry_after_ms } => Next::After(Duration::from_millis((*retry_after_ms).max(10))),
        Reason::TokenOutOfRange
        | Reason::Malformed { .. }
        | Reason::TooLarge { .. }
        | Reason::LimitReached { .. }
        | Reason::TooOld => Next::After(Duration::from_secs(5)),
    }
}

impl Shared {
    /// This node.
    pub(crate) fn me(&self) -> NodeRef {
        self.coordinator.me()
    }

    /// The datacenter's workers.
    pub(crate) fn seats(&self) -> Vec<Seat> {
        seats(&self.swim, &self.datacenter)
    }

    /// Proposes a draft at this node's replica, which must lead.
    pub(crate) async fn commit(&self, job: JobId, draft: Draft) -> Committed {
        if draft.is_empty() {
            return Committed::Nothing;
        }
        let proposed = self.coordinator.propose_here(job, draft.into_entry(), PROPOSE_WITHIN).await;
        let committed = match proposed {
            Ok(reply) => committed(reply),
            Err(error) => Committed::Failed(error),
        };
        note(job, &committed);
        committed
    }

    /// The state of a job that this node may act for: its replica leads the group and the node leads the job.
    pub(crate) fn acting_view(&self, job: JobId) -> Result<View<ManagerJob>, RpcError> {
        let leads = self.coordinator.led().borrow().contains_key(&job);
        let view = self.coordinator.watch(job).filter(|_| leads).map(|views| views.borrow().clone());
        let view = view.ok_or_else(|| self.not_leader(job))?;
        if let Some(status) = view.state.status().filter(|_| view.state.record().is_none()) {
            return Err(RpcError::Gone { status });
        }
        match view.state.leader() == Some(&self.me()) {
            true => Ok(view),
            false => Err(self.not_leader(job)),
        }
    }

    /// Names the leader, where it is another node; says what became of the job, where it is over or unknown.
    pub(crate) fn not_leader(&self, job: JobId) -> RpcError {
        let directory = self.coordinator.directory();
        if let Some(tombstone) = directory.tombstone(job) {
            return RpcError::Gone { status: tombstone.status };
        }
        if directory.job(job).is_none() {
            return RpcError::UnknownJob;
        }
        let other = self.coordinator.leader(job).filter(|leader| *leader != self.me());
        RpcError::NotLeader { leader: other.map(Box::new) }
    }

    /// Runs a job's reconcilers soon.
    pub(crate) fn poke(&self, job: JobId) {
        if let Some(driver) = self.driver.get() {
            driver.poke(job);
        }
    }

    /// Forgets what desks hold of jobs that are not led here any more.
    pub(crate) fn tidy(&self, memories: &[Arc<dyn Forget>]) {
        let led = self.coordinator.led().borrow().clone();
        self.load.keep(&led, self.clock.now());
        self.progress.keep(&led);
        let seats = self.seats();
        self.progress.keep_workers(|worker| seats.iter().any(|seat| seat.node.id == worker));
        memories.iter().for_each(|memory| keep(memory.as_ref(), &led));
    }
}

fn keep(memory: &dyn Forget, led: &OrdMap<JobId, u64>) {
    memory.keep(led);
}

fn committed(reply: EntryReply) -> Committed {
    match reply.rejection() {
        Some(reason) => Committed::Undone(reason.clone()),
        None => Committed::Done(reply),
    }
}

fn note(job: JobId, committed: &Committed) {
    match committed {
        Committed::Undone(reason) => {
            tracing::debug!(%job, %reason, "an entry was undone: the state had moved on")
        }
        Committed::Failed(error) => tracing::debug!(%job, %error, "an entry is not known to be committed"),
        Committed::Nothing | Committed::Done(_) => {}
    }
    if let Committed::Undone(Reason::Fenced { .. }) = committed {
        metrics::counter!("muster_fenced_total", "at" => "manager").increment(1);
    }
}
