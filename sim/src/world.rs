//! A whole run: a cluster on a simulated network, clients, faults, and at the end a time without any.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use muster_runtime::TaskKind;
use muster_wire::{GroupId, JobId};
use rand::rngs::StdRng;
use turmoil::Sim;

use crate::clients::{self, Client};
use crate::disk::SimDisk;
use crate::faults::Nemesis;
use crate::host::{self, Machine, Node};
use crate::oracle::{Counts, Oracle};
use crate::plan::Plan;
use crate::trace::Trace;
use crate::watch::{Coverage, Watch};

const FINISHER: TaskKind = TaskKind::new("sim_finisher");
/// What happens between two looks at the machines.
const TICK: Duration = Duration::from_millis(5);
/// Ticks between two comparisons of all replicas.
const LOOK_TICKS: u64 = 5;
/// Founding may take this long.
const FOUNDING: Duration = Duration::from_secs(30);
/// Once nothing is wrong any more, every group must be led and serve within this.
const HEALING: Duration = Duration::from_secs(10);

/// What everybody in a run knows.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) oracle: Oracle,
    pub(crate) trace: Trace,
    jobs: Arc<AtomicU64>,
    healing: Arc<AtomicBool>,
    scripted: Arc<AtomicBool>,
    healed: Arc<Mutex<BTreeSet<JobId>>>,
}

impl Shared {
    fn new(plan: Plan, trace: Trace) -> Self {
        Self {
            plan: Arc::new(plan),
            oracle: Oracle::default(),
            trace,
            jobs: Arc::default(),
            healing: Arc::default(),
            scripted: Arc::default(),
            healed: Arc::default(),
        }
    }

    pub(crate) fn is_healing(&self) -> bool {
        self.healing.load(Ordering::Relaxed)
    }

    /// A script is being played: it needs its jobs.
    pub(crate) fn is_scripted(&self) -> bool {
        self.scripted.load(Ordering::Relaxed)
    }

    pub(crate) fn note_scripted(&self, scripted: bool) {
        self.scripted.store(scripted, Ordering::Relaxed);
    }

    /// The next job's id, while there are to be more.
    pub(crate) fn next_job(&self) -> Option<JobId> {
        let number = self.jobs.fetch_add(1, Ordering::Relaxed) + 1;
        (number <= self.plan.jobs as u64).then(|| JobId(number.into()))
    }

    /// Some job that was given out before.
    pub(crate) fn any_job(&self, drawn: u64) -> Option<JobId> {
        let given = self.jobs.load(Ordering::Relaxed).min(self.plan.jobs as u64);
        drawn.checked_rem(given).map(|before| JobId((before + 1).into()))
    }

    fn heal(&self, job: JobId) {
        self.healed.lock().unwrap_or_else(PoisonError::into_inner).insert(job);
    }

    /// Jobs that nobody ended and that do not serve yet.
    fn ailing(&self) -> Vec<JobId> {
        let healed = self.healed.lock().unwrap_or_else(PoisonError::into_inner);
        self.oracle.lasting().into_iter().filter(|job| !healed.contains(job)).collect()
    }
}

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) fault: Option<String>,
    pub(crate) digest: (u32, u64),
    pub(crate) counts: Counts,
    pub(crate) jobs: usize,
    pub(crate) simulated: Duration,
    pub(crate) coverage: Coverage,
}

/// The machines of a run.
pub(crate) struct Cluster {
    pub(crate) machines: Vec<Arc<Machine>>,
    pub(crate) shared: Shared,
}

impl Cluster {
    fn new(shared: Shared, dir: &Path) -> Self {
        let machine = |name: String| {
            let home = dir.join(&name);
            Machine::new(name, home, SimDisk::new(shared.trace.clone()))
        };
        let machines = shared.plan.founders().map(machine).collect();
        Self { machines, shared }
    }

    fn name(&self, at: usize) -> &str {
        &self.machines[at].name
    }

    /// The process dies; what it wrote stays.
    pub(crate) fn kill(&self, sim: &mut Sim<'_>, at: usize) {
        self.shared.trace.line(&format!("{} is killed", self.name(at)));
        self.machines[at].forget();
        sim.crash(self.name(at));
    }

    /// The machine loses power, and what was not synced.
    pub(crate) fn power_off(&self, sim: &mut Sim<'_>, at: usize, rng: &mut StdRng) {
        self.shared.trace.line(&format!("{} loses power", self.name(at)));
        self.machines[at].forget();
        sim.crash(self.name(at));
        self.machines[at].disk.lose_power(rng);
    }

    pub(crate) fn restart(&self, sim: &mut Sim<'_>, at: usize) {
        self.shared.trace.line(&format!("{} starts", self.name(at)));
        self.machines[at].stall(false);
        sim.bounce(self.name(at));
    }

    pub(crate) fn fail_disk(&self, at: usize, calls: u64) {
        self.shared.trace.line(&format!("the disk of {} fails after {calls} calls", self.name(at)));
        self.machines[at].disk.fail_after(calls);
    }

    pub(crate) fn stall(&self, at: usize) {
        self.shared.trace.line(&format!("the disk of {} stalls", self.name(at)));
        self.machines[at].stall(true);
    }

    /// The disk takes the next vote in this group, and nothing behind it.
    pub(crate) fn stall_behind_vote(&self, at: usize, group: GroupId) {
        self.shared
            .trace
            .line(&format!("the disk of {} is to stall behind a vote in {group}", self.name(at)));
        self.machines[at].disk.hold_behind(&host::vote_row(group));
    }

    /// The medium loses the record of a number: the machine's replica of the job cannot be used again. One that stands there
    /// more than once is left alone: the directory has it, too, if it came with a submission.
    pub(crate) fn rot(&self, at: usize, job: JobId, number: u64) {
        let (disk, bytes) = (&self.machines[at].disk, number.to_be_bytes());
        let found = disk.count(&bytes);
        self.shared.trace.line(&format!("{number} stands on {} {found} times; once: it rots", self.name(at)));
        if found == 1 {
            disk.rot(&bytes);
            self.machines[at].note_rotten(job);
        }
    }

    pub(crate) fn cut(&self, sim: &Sim<'_>, (a, b): (usize, usize)) {
        self.shared.trace.line(&format!("{} and {} are cut", self.name(a), self.name(b)));
        sim.partition(self.name(a), self.name(b));
    }

    pub(crate) fn cut_one_way(&self, sim: &Sim<'_>, (a, b): (usize, usize)) {
        self.shared.trace.line(&format!("{} to {} is cut", self.name(a), self.name(b)));
        sim.partition_oneway(self.name(a), self.name(b));
    }

    pub(crate) fn slow(&self, sim: &Sim<'_>, (a, b): (usize, usize)) {
        self.shared.trace.line(&format!("{} and {} are slow", self.name(a), self.name(b)));
        sim.set_link_max_message_latency(self.name(a), self.name(b), Duration::from_millis(400));
    }

    pub(crate) fn mend(&self, sim: &Sim<'_>, (a, b): (usize, usize)) {
        self.shared.trace.line(&format!("{} and {} are mended", self.name(a), self.name(b)));
        sim.repair(self.name(a), self.name(b));
        let usual = Duration::from_millis(self.shared.plan.latency_ms_max);
        sim.set_link_max_message_latency(self.name(a), self.name(b), usual);
    }

    fn add_to(&self, sim: &mut Sim<'_>) {
        for (at, machine) in self.machines.iter().enumerate() {
            let (machine, shared) = (machine.clone(), self.shared.clone());
            sim.host(machine.name.clone(), move || live(machine.clone(), shared.clone(), at));
        }
    }

    fn all_serve(&self) -> bool {
        self.machines.iter().all(|machine| machine.coordinator().is_some())
    }
}

/// The life of a node's process, until it is killed.
async fn live(machine: Arc<Machine>, shared: Shared, at: usize) -> turmoil::Result {
    match host::start(&machine, &shared.plan).await {
        Ok(node) => serve(Arc::new(node), &shared, at),
        Err(error) => machine.note_failed_start(&shared, &error),
    }
    std::future::pending().await
}

fn serve(node: Arc<Node>, shared: &Shared, at: usize) {
    shared.trace.line(&format!("m{} serves", at + 1));
    clients::start(&node, shared);
    let (shared, scope) = (shared.clone(), node.scope.clone());
    scope.spawn_until_stop(FINISHER, finish(node, shared, at));
}

/// Once nothing is wrong any more: every job is written and read by some node.
async fn finish(node: Arc<Node>, shared: Shared, at: usize) {
    while !shared.is_healing() {
        tokio::time::sleep(TICK).await;
    }
    let mut begun = BTreeSet::new();
    loop {
        let mine = |job: &JobId| job.0 % shared.plan.hosts as u128 == at as u128;
        for job in shared.oracle.lasting().into_iter().filter(mine).filter(|job| begun.insert(*job)) {
            let client = Client::new(node.clone(), shared.clone(), job.0 as u64);
            node.scope.spawn_until_stop(FINISHER, heal(client, shared.clone(), job));
        }
        tokio::time::sleep(TICK).await;
    }
}

async fn heal(mut client: Client, shared: Shared, job: JobId) {
    while !client.put(job).await {}
    while !client.read(job).await {
        tokio::time::sleep(TICK).await;
    }
    shared.heal(job);
}

static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// From now on a panic anywhere is a fault of the run.
pub(crate) fn watch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        PANIC.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic.to_string());
    }));
}

fn panicked() -> Option<String> {
    PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Runs a plan to its end, or to the first thing that must not be.
pub(crate) fn run(plan: Plan, trace: Trace, dir: &Path) -> Outcome {
    let mut sim = builder(&plan).build();
    let cluster = Cluster::new(Shared::new(plan, trace), dir);
    cluster.add_to(&mut sim);
    let mut run = Run { sim, cluster, watch: Watch::default(), ticks: 0 };
    let fault = run.whole().err();
    let shared = &run.cluster.shared;
    Outcome {
        fault,
        digest: shared.trace.digest(),
        counts: shared.oracle.counts(),
        jobs: shared.oracle.jobs().len(),
        simulated: run.sim.elapsed(),
        coverage: run.watch.coverage,
    }
}

fn builder(plan: &Plan) -> turmoil::Builder {
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(plan.seed)
        .tick_duration(TICK)
        .simulation_duration(Duration::from_secs(3600))
        .min_message_latency(Duration::from_millis(plan.latency_ms_min))
        .max_message_latency(Duration::from_millis(plan.latency_ms_max))
        .tcp_capacity(1 << 16)
        .udp_capacity(1 << 12)
        .enable_random_order();
    builder
}

/// A run that is under way.
pub(crate) struct Run<'a> {
    pub(crate) sim: Sim<'a>,
    pub(crate) cluster: Cluster,
    watch: Watch,
    ticks: u64,
}

impl Run<'_> {
    fn whole(&mut self) -> Result<(), String> {
        self.until(FOUNDING, |cluster| cluster.all_serve())?;
        if !self.cluster.all_serve() {
            return Err("the cluster was not founded in time".into());
        }
        self.play()?;
        self.storm()?;
        self.calm()
    }

    fn storm(&mut self) -> Result<(), String> {
        let now = self.sim.elapsed();
        let until = now + self.cluster.shared.plan.storm;
        let mut nemesis = Nemesis::new(&self.cluster.shared, now);
        while self.sim.elapsed() < until {
            nemesis.act(&mut self.sim, &self.cluster);
            self.step()?;
        }
        nemesis.heal(&mut self.sim, &self.cluster);
        self.cluster.machines.iter().for_each(|machine| machine.disk.repair());
        Ok(())
    }

    fn calm(&mut self) -> Result<(), String> {
        self.cluster.shared.trace.line("nothing is wrong any more");
        self.cluster.shared.healing.store(true, Ordering::Relaxed);
        self.until(HEALING, |cluster| cluster.shared.ailing().is_empty())?;
        match self.cluster.shared.ailing().as_slice() {
            [] => Ok(()),
            ailing => Err(format!(
                "{} s after all faults ended, jobs without service: {ailing:?}",
                HEALING.as_secs()
            )),
        }
    }

    /// Goes on until something is reached, or for so long.
    pub(crate) fn until(
        &mut self,
        within: Duration,
        is_reached: impl Fn(&Cluster) -> bool,
    ) -> Result<(), String> {
        let until = self.sim.elapsed() + within;
        while self.sim.elapsed() < until && !is_reached(&self.cluster) {
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        self.sim.step().map_err(|error| format!("a node failed: {error}"))?;
        self.ticks += 1;
        self.cluster.shared.trace.at(self.sim.elapsed());
        if self.ticks.is_multiple_of(LOOK_TICKS) {
            self.watch.look(&self.cluster);
        }
        self.cluster.shared.oracle.fault().or_else(panicked).map_or(Ok(()), Err)
    }
}
