//! The host of a node's groups.
//!
//! ```text
//!   follow ── directory changes ──▶ table (slots on a ladder: awake, asleep, evicted) ──▶ raft::Group
//!   evidence ── links, failure detector ──▶ election ──▶ campaigns          heartbeat ──▶ led groups
//!   retire, summaries ──▶ directory                                         tend ── snapshots, gauges, reloads
//!   ladder ── sleep, eviction, due times    cold ── what a restart loads in its turn
//!   births ── acknowledged jobs whose groups are not born yet
//!   serve ── calls 20–49 of other hosts
//! ```

mod births;
mod cold;
pub(crate) mod directory;
mod election;
mod evidence;
mod follow;
mod give_away;
mod heartbeat;
mod jobs;
mod ladder;
mod life;
mod log_care;
pub(crate) mod peers;
mod replace;
mod retire;
pub(crate) mod serve;
mod skew;
mod slot;
pub(crate) mod standing;
pub(crate) mod steward;
mod summaries;
pub(crate) mod table;
mod tend;
mod wake;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use dashmap::DashMap;
use imbl::OrdMap;
use muster_machine::Machine;
use muster_runtime::{Clock, TaskScope};
use muster_wire::{JobId, MemberNumber};
use tokio::sync::{Semaphore, watch};

use crate::config::ConsensusConfig;
use crate::directory::JobSummary;
use crate::raft::group::Ground;
use births::Births;
use cold::Cold;
use directory::DirectoryHandle;
use election::Wanted;
use ladder::Rota;
use peers::Peers;
use slot::Slot;
use standing::Standing;

/// Groups that are opened or closed at the same time.
const LOADS_AT_ONCE: usize = 64;
/// Unless the node says otherwise.
const REPLACE_AFTER_MS: u64 = 120_000;

/// How the tier sums a job up for lists.
pub(crate) type Summarizer<M> = Arc<dyn Fn(&M) -> JobSummary + Send + Sync>;

/// All groups of a node and what keeps them going.
pub(crate) struct Host<M: Machine> {
    pub(crate) config: Arc<ConsensusConfig>,
    pub(crate) ground: Ground,
    pub(crate) directory: DirectoryHandle,
    pub(crate) directory_standing: Arc<Standing>,
    pub(crate) slots: DashMap<JobId, Arc<Slot<M>>>,
    /// Those that are looked at all the time: neither asleep nor evicted.
    pub(crate) awake: DashMap<JobId, Arc<Slot<M>>>,
    pub(crate) rota: Rota<M>,
    cold: Cold<M>,
    births: Births<M>,
    pub(crate) led: watch::Sender<Arc<OrdMap<JobId, u64>>>,
    pub(crate) in_flight: Arc<Semaphore>,
    pub(crate) summarizer: RwLock<Option<Summarizer<M>>>,
    loads: Semaphore,
    wanted: Wanted,
    /// A member that is dead for longer is replaced in its groups.
    pub(crate) replace_after_ms: AtomicU64,
    /// The groups are being stopped on purpose.
    closing: AtomicBool,
    /// This node's clock is too wrong to lead.
    out_of_time: AtomicBool,
}

impl<M: Machine> Host<M> {
    pub(crate) fn new(config: Arc<ConsensusConfig>, ground: Ground, directory: DirectoryHandle) -> Arc<Self> {
        let in_flight = Arc::new(Semaphore::new(config.in_flight_per_node.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self {
            config,
            ground,
            directory,
            directory_standing: Arc::default(),
            slots: DashMap::new(),
            awake: DashMap::new(),
            rota: Rota::default(),
            cold: Cold::default(),
            births: Births::default(),
            led: watch::channel(Arc::default()).0,
            in_flight,
            summarizer: RwLock::new(None),
            loads: Semaphore::new(LOADS_AT_ONCE),
            wanted: Wanted::default(),
            replace_after_ms: AtomicU64::new(REPLACE_AFTER_MS),
            closing: AtomicBool::new(false),
            out_of_time: AtomicBool::new(false),
        })
    }

    /// Starts everything that runs by itself.
    pub(crate) fn start(self: &Arc<Self>) {
        follow::start(self);
        cold::start(self);
        births::start(self);
        ladder::start(self);
        heartbeat::start(self);
        evidence::start(self);
        election::start(self);
        retire::start(self);
        replace::start(self);
        skew::start(self);
        summaries::start(self);
        tend::start(self);
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.ground.peers
    }

    pub(crate) fn scope(&self) -> &TaskScope {
        &self.ground.scope
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.ground.clock
    }

    pub(crate) fn me(&self) -> MemberNumber {
        self.directory.group().me.member()
    }

    /// Is this node stopping on purpose?
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed) || self.scope().is_stopping()
    }

    /// All slots of this moment.
    pub(crate) fn all_slots(&self) -> Vec<Arc<Slot<M>>> {
        self.slots.iter().map(|entry| entry.value().clone()).collect()
    }

    pub(crate) fn slot(&self, job: JobId) -> Option<Arc<Slot<M>>> {
        self.slots.get(&job).map(|entry| entry.value().clone())
    }

    /// Slots of the groups that this node's replicas lead and that are not at rest.
    pub(crate) fn led_slots(&self) -> Vec<Arc<Slot<M>>> {
        let led = self.led.borrow().clone();
        let mut slots = self.awake_slots();
        slots.retain(|slot| led.contains_key(&slot.job()));
        slots
    }

    pub(crate) fn summarizer(&self) -> Option<Summarizer<M>> {
        self.summarizer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
