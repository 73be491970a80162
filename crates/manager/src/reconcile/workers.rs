//! What membership says about the workers of a job goes into its log: a worker that is gone loses its open attempts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_node::driver::Next;
use muster_swim::State;
use muster_wire::{NodeId, NodeRef, Role};
use tokio::time::Instant;

use super::{Job, acting, reconciler};
use crate::draft::Draft;
use crate::machine::commands::NodeMembershipEvent;
use crate::machine::{JobRecord, NodeEvent};
use crate::seats::Seat;
use crate::settle::{settle_job, settle_workflows};

/// A worker that membership does not know at all is held dead after this: a node that has just started knows nobody yet.
const UNKNOWN_FOR: Duration = Duration::from_secs(30);

reconciler!(
    /// Notes workers that are gone, restarted or back.
    Workers, "workers", remembers BTreeMap<NodeId, Instant>
);

impl Workers {
    async fn run(&self, job: &Job) -> Next {
        let Some(record) = acting(job) else { return Next::Idle };
        self.shared.load.set(job.job, record.cores_by_worker());
        let used = used(record);
        if uses_nobody(record, &used) {
            return Next::Idle;
        }
        let seats: BTreeMap<NodeId, Seat> =
            self.shared.seats().into_iter().map(|seat| (seat.node.id, seat)).collect();
        let mut draft = Draft::new(job.job, &job.view, job.now_ms());
        let gone = used.iter().filter_map(|worker| self.gone(job, (worker, seats.get(&worker.id))));
        let back = seats
            .values()
            .filter(|seat| is_back(record, seat))
            .map(|seat| (NodeEvent::Join, seat.node.clone()));
        for (event, node) in gone.chain(back) {
            draft.push(&NodeMembershipEvent { event, node, role: Role::Worker });
        }
        if draft.is_empty() {
            return self.wait(job);
        }
        settle_workflows(&mut draft);
        settle_job(&mut draft);
        self.shared.commit(job.job, draft).await.next()
    }

    /// The event that ends what this worker process does.
    fn gone(&self, job: &Job, (worker, seat): (&NodeRef, Option<&Seat>)) -> Option<(NodeEvent, NodeRef)> {
        let Some(seat) = seat else { return self.unknown(job, worker) };
        self.memory.with((job.job, job.term), |missing| missing.remove(&worker.id));
        if seat.node.generation > worker.generation {
            return Some((NodeEvent::NewGeneration, seat.node.clone()));
        }
        match seat.state {
            State::Dead => Some((NodeEvent::Dead, worker.clone())),
            State::Left => Some((NodeEvent::Leave, worker.clone())),
            State::Alive | State::Suspect => None,
        }
    }

    fn unknown(&self, job: &Job, worker: &NodeRef) -> Option<(NodeEvent, NodeRef)> {
        let now = job.clock.now();
        let since = self.memory.with((job.job, job.term), |missing| *missing.entry(worker.id).or_insert(now));
        (now - since >= UNKNOWN_FOR).then(|| (NodeEvent::Dead, worker.clone()))
    }

    fn wait(&self, job: &Job) -> Next {
        match self.memory.with((job.job, job.term), |missing| missing.is_empty()) {
            true => Next::Idle,
            false => Next::After(Duration::from_secs(1)),
        }
    }
}

/// Worker processes with an open attempt, or with one that the job waits for.
fn used(record: &JobRecord) -> Vec<NodeRef> {
    let open = record.open_attempts().map(|open| open.worker);
    let awaited = record.workflows().flat_map(|(_, workflow)| workflow.awaiting());
    let awaited = awaited.filter_map(|(_, row)| record.worker_of(row).cloned());
    let mut seen = BTreeSet::new();
    open.chain(awaited).filter(|worker| seen.insert((worker.id, worker.generation))).collect()
}

/// No worker matters to the job, and none that did is noted.
fn uses_nobody(record: &JobRecord, used: &[NodeRef]) -> bool {
    used.is_empty() && record.nodes().history().next().is_none()
}

/// Held gone by the state, but there.
fn is_back(record: &JobRecord, seat: &Seat) -> bool {
    !record.status().is_terminal() && seat.state == State::Alive && record.nodes().is_gone(&seat.node)
}
