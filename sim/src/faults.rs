//! What goes wrong: machines that die, with or without what was not synced; links that are cut, one-way or both ways, or
//! slow; disks that stall or fail.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use turmoil::Sim;

use crate::world::{Cluster, Shared};

/// A cluster is left alone for so long, so that there is something to lose.
const PEACE: Duration = Duration::from_millis(1500);

/// Decides by its seed alone.
pub(crate) struct Nemesis {
    rng: StdRng,
    next_at: Duration,
    /// Machines that are off, and until when.
    off: BTreeMap<usize, Duration>,
    /// Links that are cut or slow, and until when.
    links: BTreeMap<(usize, usize), Duration>,
    /// Disks that stall, and until when.
    stalls: BTreeMap<usize, Duration>,
}

#[derive(Clone, Copy)]
enum Fault {
    Kill,
    PowerLoss,
    PowerLossOfAll,
    LongAway,
    DiskFails,
    Stall,
    Cut,
    CutOneWay,
    Isolate,
    Slow,
}

const FAULTS: &[Fault] = &[
    Fault::Kill,
    Fault::Kill,
    Fault::PowerLoss,
    Fault::PowerLoss,
    Fault::PowerLossOfAll,
    Fault::LongAway,
    Fault::LongAway,
    Fault::DiskFails,
    Fault::Stall,
    Fault::Stall,
    Fault::Stall,
    Fault::Cut,
    Fault::CutOneWay,
    Fault::Isolate,
    Fault::Isolate,
    Fault::Slow,
];

/// What happens to a link.
type Change = fn(&Cluster, &Sim<'_>, (usize, usize));

impl Nemesis {
    pub(crate) fn new(shared: &Shared, now: Duration) -> Self {
        let rng = StdRng::seed_from_u64(shared.plan.seed ^ 0x6e65_6d65);
        Self {
            rng,
            next_at: now + PEACE,
            off: BTreeMap::new(),
            links: BTreeMap::new(),
            stalls: BTreeMap::new(),
        }
    }

    /// Ends what is over, restarts what stopped by itself, and lets the next thing go wrong when it is due.
    pub(crate) fn act(&mut self, sim: &mut Sim<'_>, cluster: &Cluster) {
        let now = sim.elapsed();
        self.end_due(sim, cluster, now);
        self.bury_stopped(sim, cluster, now);
        if now < self.next_at {
            return;
        }
        let calm_ms = self.rng.random_range(100..cluster.shared.plan.calm_ms_max);
        self.next_at = now + Duration::from_millis(calm_ms);
        let fault = FAULTS[self.rng.random_range(0..FAULTS.len())];
        self.begin(sim, cluster, fault);
    }

    /// Everything works again, at once.
    pub(crate) fn heal(&mut self, sim: &mut Sim<'_>, cluster: &Cluster) {
        self.bury_stopped(sim, cluster, Duration::MAX / 2);
        self.end_due(sim, cluster, Duration::MAX);
    }

    fn end_due(&mut self, sim: &mut Sim<'_>, cluster: &Cluster, now: Duration) {
        for at in due(&mut self.off, now) {
            cluster.restart(sim, at);
        }
        for (a, b) in due(&mut self.links, now) {
            cluster.mend(sim, (a, b));
        }
        for at in due(&mut self.stalls, now) {
            self.end_stall(sim, cluster, (at, now));
        }
    }

    /// The disk goes on, or power is lost with all that waited for it.
    fn end_stall(&mut self, sim: &mut Sim<'_>, cluster: &Cluster, (at, now): (usize, Duration)) {
        if now != Duration::MAX && self.rng.random() {
            self.off(sim, cluster, (at, true));
        }
        cluster.machines[at].stall(false);
    }

    /// A node that stopped by itself, as it does when its disk fails, is found and started again with its disk repaired.
    fn bury_stopped(&mut self, sim: &mut Sim<'_>, cluster: &Cluster, now: Duration) {
        for at in 0..cluster.machines.len() {
            if cluster.machines[at].has_stopped() && !self.off.contains_key(&at) {
                cluster.shared.trace.line(&format!("{} has stopped", cluster.machines[at].name));
                cluster.power_off(sim, at, &mut self.rng);
                let away = Duration::from_millis(self.rng.random_range(100..1500));
                self.off.insert(at, now.saturating_add(away));
            }
        }
    }

    fn begin(&mut self, sim: &mut Sim<'_>, cluster: &Cluster, fault: Fault) {
        let hosts = cluster.machines.len();
        let (at, other) = (self.rng.random_range(0..hosts), self.rng.random_range(0..hosts));
        match fault {
            Fault::Kill => self.off(sim, cluster, (at, false)),
            Fault::PowerLoss => self.off(sim, cluster, (at, true)),
            Fault::PowerLossOfAll => self.all_off(sim, cluster),
            Fault::LongAway => self.long_away(sim, cluster, at),
            Fault::DiskFails => cluster.fail_disk(at, self.rng.random_range(0..12)),
            Fault::Stall => self.stall(sim, cluster, at),
            Fault::Cut => self.link(sim, cluster, (Cluster::cut, (at, other))),
            Fault::CutOneWay => self.link(sim, cluster, (Cluster::cut_one_way, (at, other))),
            Fault::Slow => self.link(sim, cluster, (Cluster::slow, (at, other))),
            Fault::Isolate => {
                (0..hosts).for_each(|other| self.link(sim, cluster, (Cluster::cut, (at, other))))
            }
        }
    }

    fn until(&mut self, sim: &Sim<'_>) -> Duration {
        let ms = match self.rng.random_range(0..6) {
            0 => self.rng.random_range(4_000..9_000),
            _ => self.rng.random_range(50..2_500),
        };
        sim.elapsed() + Duration::from_millis(ms)
    }

    fn off(&mut self, sim: &mut Sim<'_>, cluster: &Cluster, (at, power): (usize, bool)) {
        if self.off.contains_key(&at) {
            return;
        }
        match power {
            true => cluster.power_off(sim, at, &mut self.rng),
            false => cluster.kill(sim, at),
        }
        let until = self.until(sim);
        self.off.insert(at, until);
    }

    fn all_off(&mut self, sim: &mut Sim<'_>, cluster: &Cluster) {
        (0..cluster.machines.len()).for_each(|at| self.off(sim, cluster, (at, true)));
        let soon = sim.elapsed() + Duration::from_millis(200);
        self.off.values_mut().for_each(|until| *until = (*until).min(soon));
    }

    /// Long enough to be replaced, where there is a spare.
    fn long_away(&mut self, sim: &mut Sim<'_>, cluster: &Cluster, at: usize) {
        self.off(sim, cluster, (at, true));
        let until = sim.elapsed() + Duration::from_millis(self.rng.random_range(6_000..11_000));
        self.off.insert(at, until);
    }

    fn stall(&mut self, sim: &Sim<'_>, cluster: &Cluster, at: usize) {
        cluster.stall(at);
        let until = self.until(sim);
        self.stalls.insert(at, until);
    }

    fn link(&mut self, sim: &Sim<'_>, cluster: &Cluster, (change, (a, b)): (Change, (usize, usize))) {
        let pair = (a.min(b), a.max(b));
        if a == b || self.links.contains_key(&pair) {
            return;
        }
        change(cluster, sim, (a, b));
        let until = self.until(sim);
        self.links.insert(pair, until);
    }
}

/// Takes out what is over by now.
fn due<K: Copy + Ord>(until: &mut BTreeMap<K, Duration>, now: Duration) -> Vec<K> {
    let over: Vec<K> = until.iter().filter(|(_, until)| **until <= now).map(|(key, _)| *key).collect();
    until.retain(|_, until| *until > now);
    over
}
