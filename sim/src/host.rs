//! The program of a simulated node: the product's own links, failure detector and coordinator, on simulated sockets
//! and a simulated disk.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use muster_consensus::identity::{self, Identity, WAL_DIR};
use muster_consensus::{ConsensusConfig, Coordinator, InitialMember, Parts, Profile, Storage};
use muster_link::{LinkConfig, LinkParts, Links, router};
use muster_runtime::{Clock, TaskKind, TaskScope, net::TcpListener};
use muster_swim::{Meta, Swim};
use muster_wal::{Disk, Driver, OpenError, Options, Wal};
use muster_wire::hello::{Hello, PROTOCOL};
use muster_wire::{GroupId, JobId, Role};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::disk::SimDisk;
use crate::ledger::{self, Ledger};
use crate::plan::Plan;
use crate::world::Shared;

const RPC: u16 = 7000;
const SWIM: u16 = 7001;
const PUMP: TaskKind = TaskKind::new("sim_disk");
/// The kind of a vote's records in the log.
const VOTE_TAG: u32 = 2;
const CLUSTER: &str = "sim";

/// A simulated machine, whatever runs on it.
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) disk: SimDisk,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    coordinator: Option<Coordinator<Ledger>>,
    scope: Option<TaskScope>,
    links: Option<Links>,
    runs: u64,
    /// Clients here write to this job, and do nothing else.
    flooded: Option<JobId>,
    /// Jobs of which the medium has lost records.
    rotten: BTreeSet<JobId>,
    /// Nothing reaches the disk before this.
    stalled: bool,
}

impl Machine {
    pub(crate) fn new(name: String, dir: PathBuf, disk: SimDisk) -> Arc<Self> {
        Arc::new(Self { name, dir, disk, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node's coordinator, while it serves.
    pub(crate) fn coordinator(&self) -> Option<Coordinator<Ledger>> {
        self.state().coordinator.clone()
    }

    /// Has the node stopped by itself?
    pub(crate) fn has_stopped(&self) -> bool {
        self.state().scope.as_ref().is_some_and(TaskScope::is_stopping)
    }

    /// Nothing of the process is left here, and what refers to itself lets go. The lock of its directory ends with it.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        let gone = (state.coordinator.take(), state.scope.take(), state.links.take());
        drop(state);
        if let (_, _, Some(links)) = &gone {
            links.serve(router().build());
        }
        drop(gone);
        drop(std::fs::remove_file(self.dir.join("LOCK")));
    }

    pub(crate) fn flood(&self, job: Option<JobId>) {
        self.state().flooded = job;
    }

    pub(crate) fn flooded(&self) -> Option<JobId> {
        self.state().flooded
    }

    fn takes_writes(&self) -> bool {
        !self.state().stalled && !self.disk.is_held()
    }

    pub(crate) fn note_rotten(&self, job: JobId) {
        self.state().rotten.insert(job);
    }

    pub(crate) fn is_rotten(&self, job: JobId) -> bool {
        self.state().rotten.contains(&job)
    }

    pub(crate) fn stall(&self, stalled: bool) {
        self.state().stalled = stalled;
        self.disk.release();
    }

    pub(crate) fn runs(&self) -> u64 {
        self.state().runs
    }

    /// It could not start: only a failing disk is an excuse.
    pub(crate) fn note_failed_start(&self, shared: &Shared, error: &anyhow::Error) {
        shared.trace.line(&format!("{} cannot start: {error:#}", self.name));
        if !self.disk.has_failed() {
            shared.oracle.accuse(format!("{} cannot start: {error:#}", self.name));
        }
        if let Some(scope) = &self.state().scope {
            scope.cancel();
        }
    }

    fn begin_run(&self, scope: &TaskScope) -> u64 {
        let mut state = self.state();
        state.scope = Some(scope.clone());
        state.runs += 1;
        state.runs
    }

    fn serve(&self, coordinator: &Coordinator<Ledger>) {
        self.state().coordinator = Some(coordinator.clone());
    }
}

/// A run of a node that serves.
pub(crate) struct Node {
    pub(crate) coordinator: Coordinator<Ledger>,
    pub(crate) scope: TaskScope,
    pub(crate) clock: Clock,
    /// What this run draws from.
    pub(crate) seed: u64,
    pub(crate) machine: Arc<Machine>,
}

/// The machine's disk as the product's storage. Logs are written by the pump.
struct SimStorage {
    disk: SimDisk,
    drivers: Mutex<Vec<Driver>>,
}

impl SimStorage {
    fn drivers(&self) -> MutexGuard<'_, Vec<Driver>> {
        self.drivers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for SimStorage {
    fn open_log(&self, dir: &Path, options: Options) -> Result<Wal, OpenError> {
        let fault = |source| OpenError::Io { what: "make the log's folder", source };
        self.disk.make(dir).map_err(fault)?;
        let options = Options { cache_bytes: 16 << 10, ..options };
        let (wal, driver) = Wal::open_driven(self.disk.files(dir), options)?;
        self.drivers().push(driver);
        Ok(wal)
    }

    fn files(&self, dir: &Path) -> Arc<dyn Disk> {
        self.disk.files(dir)
    }

    fn make(&self, dir: &Path) -> std::io::Result<()> {
        self.disk.make(dir)
    }

    fn remove(&self, dir: &Path) -> std::io::Result<()> {
        self.disk.remove(dir)
    }
}

/// Starts the node on its machine; returns once it is a member of the cluster.
pub(crate) async fn start(machine: &Arc<Machine>, plan: &Plan) -> anyhow::Result<Node> {
    let (scope, clock) = (TaskScope::single_threaded(), Clock::system());
    let run = machine.begin_run(&scope);
    let seed = plan.seed ^ u64::from(crc32fast::hash(machine.name.as_bytes())) ^ (run << 40);
    let identity = identity::open(&machine.dir, &machine.name, Role::Manager)?;
    let rpc = format!("{}:{RPC}", machine.name);
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, RPC)).await?;
    let hello = hello(&identity, &machine.name, &rpc);
    let parts = LinkParts { listener, hello, scope: scope.clone(), clock: clock.clone() };
    let links = Links::start(LinkConfig::default(), parts);
    machine.state().links = Some(links.clone());
    let swim = Swim::start(swim_config(&identity, plan, machine), scope.clone(), clock.clone()).await?;
    let storage = Arc::new(SimStorage { disk: machine.disk.clone(), drivers: Mutex::default() });
    pump(&scope, machine.clone(), storage.clone(), seed);
    let config = config(machine, plan);
    std::fs::create_dir_all(machine.dir.join(WAL_DIR)).context("the log's folder")?;
    std::fs::write(machine.dir.join(WAL_DIR).join("here"), b"the log is on the simulated disk")?;
    let parts = Parts { config, identity, links, swim, storage, scope: scope.clone(), clock: clock.clone() };
    let coordinator = Coordinator::start(parts).await?;
    coordinator.set_summarizer(Arc::new(ledger::summary));
    coordinator.set_replace_after(plan.replace_after);
    machine.serve(&coordinator);
    Ok(Node { coordinator, scope, clock, seed, machine: machine.clone() })
}

/// Writes what waits in the log, each batch after a time that a device may take.
fn pump(scope: &TaskScope, machine: Arc<Machine>, storage: Arc<SimStorage>, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    scope.spawn(PUMP, |_| async move {
        loop {
            tokio::time::sleep(Duration::from_micros(rng.random_range(500..3000))).await;
            if machine.takes_writes() {
                storage.drivers().retain_mut(Driver::step);
            }
        }
    });
}

/// As a vote of a group's first replica begins in the log.
pub(crate) fn vote_row(group: GroupId) -> Vec<u8> {
    [&group.0.to_le_bytes()[..], &0_u32.to_le_bytes(), &VOTE_TAG.to_le_bytes()].concat()
}

pub(crate) fn members(plan: &Plan) -> Vec<InitialMember> {
    plan.founders().map(|name| member(&name)).collect()
}

fn member(name: &str) -> InitialMember {
    InitialMember { name: name.into(), rpc: format!("{name}:{RPC}"), swim: format!("{name}:{SWIM}") }
}

fn config(machine: &Machine, plan: &Plan) -> ConsensusConfig {
    ConsensusConfig {
        role: Role::Manager,
        datacenter: "here".into(),
        cluster_name: CLUSTER.into(),
        data_dir: machine.dir.clone(),
        name: machine.name.clone(),
        initial_members: members(plan),
        profile: Profile::Test,
        replication: 3,
        groups_max: 1000,
        awake_max: 1000,
        resident_max: plan.resident_max,
        sleep_after: plan.sleep_after,
        evict_after: plan.evict_after,
        snapshot_entries: plan.snapshot_entries,
        register_timeout: Duration::from_secs(60),
        tombstone_keep: Duration::from_secs(600),
        wal_segment_bytes: 64 << 10,
        wal_budget_bytes: 512 << 10,
        in_flight_per_group: 1024,
        in_flight_per_node: 8192,
    }
}

fn hello(identity: &Identity, name: &str, rpc: &str) -> Hello {
    Hello {
        protocol: PROTOCOL,
        cluster_name: CLUSTER.into(),
        cluster: identity.cluster,
        node: identity.node,
        member: identity.member,
        generation: identity.generation,
        role: Role::Manager,
        datacenter: "here".into(),
        name: name.into(),
        rpc: rpc.into(),
        feature: 1,
    }
}

fn swim_config(identity: &Identity, plan: &Plan, machine: &Machine) -> muster_swim::Config {
    let own = member(&machine.name);
    muster_swim::Config {
        id: identity.node,
        generation: identity.generation,
        cluster: CLUSTER.into(),
        listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, SWIM)),
        seeds: members(plan).into_iter().map(|member| member.swim).collect(),
        meta: Meta {
            role: Role::Manager,
            dc: "here".into(),
            name: machine.name.clone(),
            rpc: own.rpc,
            swim: own.swim,
            ..Meta::default()
        },
        profile: muster_swim::Profile::Test,
        keys: muster_swim::KeyRing::default(),
    }
}
