//! Where shards may run: the datacenter's workers as membership shows them, and how many of their cores the jobs led
//! here use.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imbl::OrdMap;
use muster_swim::{Member, State, Swim};
use muster_wire::{JobId, NodeId, NodeRef, Role};
use tokio::time::Instant;

/// How long a worker's word about its free cores is kept.
const TOLD_FOR: Duration = Duration::from_secs(5);

/// One worker process.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Seat {
    /// Who.
    pub node: NodeRef,
    /// What membership believes of it.
    pub state: State,
    /// All its cores.
    pub cores: u32,
    /// What constraints match against.
    pub labels: BTreeMap<String, String>,
    /// It wants nothing new.
    pub draining: bool,
}

impl Seat {
    fn of(member: &Member) -> Self {
        Self {
            node: node_ref(member),
            state: member.state,
            cores: member.meta.cores,
            labels: member.meta.labels.clone(),
            draining: member.meta.draining,
        }
    }

    /// May new shards go there?
    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Alive && !self.draining
    }

    /// Has it every label that is asked for?
    pub(crate) fn matches(&self, constraints: &BTreeMap<String, String>) -> bool {
        constraints.iter().all(|(name, value)| self.labels.get(name) == Some(value))
    }
}

/// A member as messages name it.
pub(crate) fn node_ref(member: &Member) -> NodeRef {
    NodeRef {
        id: member.id,
        generation: member.generation,
        member: member.meta.member,
        name: member.meta.name.clone(),
        addr: member.meta.rpc.clone(),
    }
}

/// The datacenter's workers, gone ones included as long as membership remembers them.
pub(crate) fn seats(swim: &Swim, datacenter: &str) -> Vec<Seat> {
    let members = swim.snapshot();
    let here =
        members.iter().filter(|member| member.meta.role == Role::Worker && member.meta.dc == datacenter);
    here.map(Seat::of).collect()
}

/// Cores in use by worker, as far as the jobs led here go.
#[derive(Default)]
pub(crate) struct Load(Mutex<Book>);

#[derive(Default)]
struct Book {
    jobs: HashMap<JobId, BTreeMap<NodeId, u32>>,
    used: HashMap<NodeId, u32>,
    /// Free cores as workers told when they had no room, and when.
    told: HashMap<NodeId, (Instant, u32)>,
}

impl Load {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what a job uses.
    pub(crate) fn set(&self, job: JobId, cores: BTreeMap<NodeId, u32>) {
        let mut book = self.lock();
        book.drop_job(job);
        for (worker, cores) in &cores {
            *book.used.entry(*worker).or_default() += cores;
        }
        if !cores.is_empty() {
            book.jobs.insert(job, cores);
        }
    }

    /// Cores in use on a worker.
    pub(crate) fn used(&self, worker: NodeId) -> u32 {
        self.lock().used.get(&worker).copied().unwrap_or_default()
    }

    /// A worker said how many cores it has free.
    pub(crate) fn note_told(&self, worker: NodeId, (now, free): (Instant, u32)) {
        self.lock().told.insert(worker, (now, free));
    }

    /// What workers told of full cores is old.
    pub(crate) fn forget_told(&self) {
        self.lock().told.clear();
    }

    /// Cores of a worker that are believed to be free: other managers use it too, and it told of late.
    pub(crate) fn free(&self, seat: &Seat, now: Instant) -> u32 {
        let book = self.lock();
        let used = book.used.get(&seat.node.id).copied().unwrap_or_default();
        let told =
            book.told.get(&seat.node.id).filter(|(at, _)| now.saturating_duration_since(*at) < TOLD_FOR);
        told.map_or(u32::MAX, |(_, free)| *free).min(seat.cores.saturating_sub(used))
    }

    /// Cores in use in all.
    pub(crate) fn total(&self) -> u32 {
        self.lock().used.values().sum()
    }

    /// Jobs with open attempts on a worker.
    pub(crate) fn jobs_on(&self, worker: NodeId) -> Vec<JobId> {
        let book = self.lock();
        book.jobs.iter().filter(|(_, cores)| cores.contains_key(&worker)).map(|(job, _)| *job).collect()
    }

    /// Forgets jobs that are not led here any more.
    pub(crate) fn keep(&self, led: &OrdMap<JobId, u64>, now: Instant) {
        let mut book = self.lock();
        book.told.retain(|_, (at, _)| now.saturating_duration_since(*at) < TOLD_FOR);
        let gone: Vec<JobId> = book.jobs.keys().filter(|job| !led.contains_key(*job)).copied().collect();
        gone.into_iter().for_each(|job| book.drop_job(job));
    }
}

impl Book {
    fn drop_job(&mut self, job: JobId) {
        for (worker, cores) in self.jobs.remove(&job).unwrap_or_default() {
            self.free(worker, cores);
        }
    }

    fn free(&mut self, worker: NodeId, cores: u32) {
        let left = self.used.get(&worker).copied().unwrap_or_default().saturating_sub(cores);
        match left {
            0 => self.used.remove(&worker),
            _ => self.used.insert(worker, left),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_uses_is_replaced_and_forgotten_with_its_leadership() {
        let load = Load::default();
        load.set(JobId(1), BTreeMap::from([(NodeId(5), 3)]));
        load.set(JobId(2), BTreeMap::from([(NodeId(5), 1)]));
        load.set(JobId(1), BTreeMap::from([(NodeId(5), 2)]));
        assert_eq!((load.used(NodeId(5)), load.total()), (3, 3));
        load.keep(&OrdMap::unit(JobId(1), 4), Instant::now());
        assert_eq!((load.used(NodeId(5)), load.jobs_on(NodeId(5))), (2, vec![JobId(1)]));
    }
}
