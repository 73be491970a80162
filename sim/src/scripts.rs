//! Courses of events that a mechanism is there for and that drawn faults seldom meet: each at the beginning of a run, before
//! the drawn faults. Who plays which part follows from the seed.

use std::collections::BTreeSet;
use std::time::Duration;

use muster_consensus::GroupStatus;
use muster_wire::JobId;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::world::{Cluster, Run};

/// What a script waits for comes within this, or it goes on without.
const PATIENCE: Duration = Duration::from_secs(10);
/// A cluster of so many hosts plays scripts: every job has a replica on each.
pub(crate) const HOSTS: usize = 3;
/// Jobs that there are before a script begins.
const JOBS: usize = 4;

/// Entries that a leader that is cut off has alone, and that the others have meanwhile.
const OWN: u64 = 700;
const THEIRS: u64 = 210;
/// While a leader has its lease it takes entries.
const OWN_WITHIN: Duration = Duration::from_secs(3);

/// A course of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Script {
    /// A leader that is cut off is asked, while another one leads.
    Deposed,
    /// A leader acknowledges what its own disk has not taken; then all lose power, and it is back first.
    StalledLeader,
    /// A voter elects one leader, forgets that when it loses power, and then listens to another one.
    ForgottenVote,
    /// A host is away until the log that it lacks is purged, and dies after it has received a snapshot.
    FarBehind,
    /// A leader that was cut off with entries of its own gives them up for a snapshot, and loses power meanwhile.
    GivenUp,
    /// An acknowledged record rots while its only other holder is away: the replica begins anew, beside one that lacks it.
    Rotten,
}

const SCRIPTS: &[(&str, Script)] = &[
    ("deposed", Script::Deposed),
    ("stalled-leader", Script::StalledLeader),
    ("forgotten-vote", Script::ForgottenVote),
    ("far-behind", Script::FarBehind),
    ("given-up", Script::GivenUp),
    ("rotten", Script::Rotten),
];
/// Of so many seeds in a row each script has one; the others have none.
const ROUND: u64 = 12;

impl Script {
    pub(crate) fn of(seed: u64) -> Option<Self> {
        SCRIPTS.get((seed % ROUND) as usize).map(|(_, script)| *script)
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        SCRIPTS.iter().find(|(known, _)| *known == name).map(|(_, script)| *script)
    }
}

/// The hosts by their parts, and what else is drawn.
struct Cast {
    hosts: [usize; HOSTS],
    rng: StdRng,
}

impl Cast {
    fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x7363_7269_7074);
        let mut hosts = [0, 1, 2];
        hosts.shuffle(&mut rng);
        Self { hosts, rng }
    }

    fn between_ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from..to))
    }
}

impl Run<'_> {
    /// Plays the run's script, if it has one. All hosts run and reach each other afterwards.
    pub(crate) fn play(&mut self) -> Result<(), String> {
        let plan = self.cluster.shared.plan.clone();
        let Some(script) = plan.script else { return Ok(()) };
        self.cluster.shared.note_scripted(true);
        let played = self.play_one(script, plan.seed);
        self.cluster.shared.note_scripted(false);
        played
    }

    fn play_one(&mut self, script: Script, seed: u64) -> Result<(), String> {
        let mut cast = Cast::of(seed);
        self.until(PATIENCE, |cluster| cluster.shared.oracle.lasting().len() >= JOBS)?;
        self.pass(cast.between_ms(500, 1500))?;
        self.cluster.shared.trace.line(&format!("{script:?}, played by {:?}", cast.hosts));
        match script {
            Script::Deposed => self.deposed(&mut cast),
            Script::StalledLeader => self.stalled_leader(&mut cast),
            Script::ForgottenVote => self.forgotten_vote(&mut cast),
            Script::FarBehind => self.far_behind(&mut cast),
            Script::GivenUp => self.given_up(&mut cast),
            Script::Rotten => self.rotten(&mut cast),
        }
    }

    fn deposed(&mut self, cast: &mut Cast) -> Result<(), String> {
        let [a, b, c] = cast.hosts;
        self.cut(&[(a, b), (a, c)]);
        self.until(PATIENCE, |cluster| !led_by_both(cluster, a, b).is_empty())?;
        self.pass(cast.between_ms(500, 2500))?;
        self.mend(&[(a, b), (a, c)]);
        self.pass(cast.between_ms(100, 1000))
    }

    fn stalled_leader(&mut self, cast: &mut Cast) -> Result<(), String> {
        let [a, b, c] = cast.hosts;
        self.cluster.stall(a);
        self.pass(cast.between_ms(300, 1200))?;
        [a, b, c].into_iter().for_each(|at| self.power_off(cast, at));
        self.restart_after(a, cast.between_ms(20, 100))?;
        self.restart_after(b, cast.between_ms(50, 400))?;
        self.restart_after(c, cast.between_ms(1, 100))?;
        self.pass(cast.between_ms(1000, 3000))
    }

    /// The one that leads at first is cut off, and later reaches only the voter that has forgotten.
    fn forgotten_vote(&mut self, cast: &mut Cast) -> Result<(), String> {
        let [new, old, voter] = cast.hosts;
        self.cluster.stall(voter);
        self.cut(&[(old, new), (old, voter)]);
        self.until(PATIENCE, |cluster| !led_by_both(cluster, new, old).is_empty())?;
        self.pass(cast.between_ms(1, 100))?;
        self.power_off(cast, voter);
        self.cut(&[(new, voter)]);
        self.mend(&[(old, voter)]);
        self.restart_after(voter, cast.between_ms(20, 200))?;
        self.pass(cast.between_ms(3000, 5000))?;
        self.mend(&[(old, new), (new, voter)]);
        self.pass(cast.between_ms(500, 2000))
    }

    fn far_behind(&mut self, cast: &mut Cast) -> Result<(), String> {
        let [a, b, c] = cast.hosts;
        let Some(job) = self.hot_job() else { return Ok(()) };
        self.power_off(cast, c);
        self.flood(&[a, b], Some(job));
        self.until(PATIENCE, |cluster| purged(cluster, a, job) > 0 && purged(cluster, b, job) > 0)?;
        self.flood(&[a, b], None);
        self.restart_after(c, cast.between_ms(1, 100))?;
        self.until(PATIENCE, |cluster| purged(cluster, c, job) > 0)?;
        self.pass(cast.between_ms(1, 200))?;
        self.power_off(cast, c);
        self.restart_after(c, cast.between_ms(20, 200))?;
        self.pass(cast.between_ms(1000, 3000))
    }

    /// The leader's own entries reach beyond the snapshot that it is sent.
    fn given_up(&mut self, cast: &mut Cast) -> Result<(), String> {
        let Some((job, a)) = self.hot_job().and_then(|job| Some((job, led_by(&self.cluster, job)?))) else {
            return Ok(());
        };
        let [b, c] = others(a);
        self.cut(&[(a, b), (a, c)]);
        let common = last_log(&self.cluster, a, job);
        self.flood(&[a], Some(job));
        self.until(OWN_WITHIN, |cluster| last_log(cluster, a, job) >= common + OWN)?;
        self.flood(&[a], None);
        self.until(PATIENCE, |cluster| !led_by_both(cluster, a, b).is_empty())?;
        self.flood(&[b, c], Some(job));
        self.until(PATIENCE, |cluster| last_log(cluster, b, job) >= common + THEIRS)?;
        self.flood(&[b, c], None);
        let is_purged = |cluster: &Cluster, at: usize| purged(cluster, at, job) > common;
        self.until(PATIENCE, |cluster| is_purged(cluster, b) && is_purged(cluster, c))?;
        let group = status(&self.cluster, a, job).map(|status| status.group);
        group.into_iter().for_each(|group| self.cluster.stall_behind_vote(a, group));
        self.mend(&[(a, b), (a, c)]);
        self.pass(cast.between_ms(1000, 2000))?;
        self.power_off(cast, a);
        self.restart_after(a, cast.between_ms(20, 200))?;
        self.pass(cast.between_ms(1000, 3000))
    }

    /// One host lacks a write, one rots, and the one that has it is away while the rotten one begins anew.
    fn rotten(&mut self, cast: &mut Cast) -> Result<(), String> {
        let [away, lacking, rotten] = cast.hosts;
        let Some(job) = self.hot_job() else { return Ok(()) };
        self.cut(&[(lacking, away), (lacking, rotten)]);
        let before = self.cluster.shared.oracle.newest_ack(job);
        self.until(PATIENCE, |cluster| cluster.shared.oracle.newest_ack(job) != before)?;
        let newest = self.cluster.shared.oracle.newest_ack(job).filter(|newest| Some(*newest) != before);
        self.pass(cast.between_ms(300, 800))?;
        self.kill(away);
        self.kill(rotten);
        if let Some((_, number)) = newest {
            self.cluster.rot(rotten, job, number);
        }
        self.mend(&[(lacking, away), (lacking, rotten)]);
        self.restart_after(rotten, cast.between_ms(20, 200))?;
        self.until(PATIENCE, |cluster| is_replaced(cluster, rotten, job))?;
        self.pass(cast.between_ms(2000, 4000))?;
        self.restart_after(away, Duration::ZERO)?;
        self.pass(cast.between_ms(1000, 3000))
    }

    /// The job that clients use most.
    fn hot_job(&self) -> Option<JobId> {
        self.cluster.shared.oracle.lasting().first().copied()
    }

    fn flood(&self, hosts: &[usize], job: Option<JobId>) {
        hosts.iter().for_each(|at| self.cluster.machines[*at].flood(job));
    }

    fn pass(&mut self, time: Duration) -> Result<(), String> {
        self.until(time, |_| false)
    }

    fn cut(&mut self, links: &[(usize, usize)]) {
        links.iter().for_each(|link| self.cluster.cut(&self.sim, *link));
    }

    fn mend(&mut self, links: &[(usize, usize)]) {
        links.iter().for_each(|link| self.cluster.mend(&self.sim, *link));
    }

    fn kill(&mut self, at: usize) {
        self.cluster.kill(&mut self.sim, at);
    }

    fn power_off(&mut self, cast: &mut Cast, at: usize) {
        self.cluster.power_off(&mut self.sim, at, &mut cast.rng);
    }

    fn restart_after(&mut self, at: usize, time: Duration) -> Result<(), String> {
        self.pass(time)?;
        self.cluster.restart(&mut self.sim, at);
        Ok(())
    }
}

/// Jobs that both hosts believe to lead.
fn led_by_both(cluster: &Cluster, a: usize, b: usize) -> BTreeSet<JobId> {
    let led = |at: usize| -> BTreeSet<JobId> {
        let coordinator = cluster.machines[at].coordinator();
        coordinator.map(|there| there.led().borrow().keys().copied().collect()).unwrap_or_default()
    };
    &led(a) & &led(b)
}

fn status(cluster: &Cluster, at: usize, job: JobId) -> Option<GroupStatus> {
    cluster.machines[at].coordinator()?.group(job)
}

fn purged(cluster: &Cluster, at: usize, job: JobId) -> u64 {
    status(cluster, at, job).and_then(|status| status.purged).unwrap_or(0)
}

fn last_log(cluster: &Cluster, at: usize, job: JobId) -> u64 {
    status(cluster, at, job).and_then(|status| status.last_log).unwrap_or(0)
}

fn led_by(cluster: &Cluster, job: JobId) -> Option<usize> {
    let leads = |at: &usize| status(cluster, *at, job).is_some_and(|status| status.role == "leader");
    (0..cluster.machines.len()).find(leads)
}

fn others(a: usize) -> [usize; 2] {
    [(a + 1) % HOSTS, (a + 2) % HOSTS]
}

/// Is the host's replica to begin anew, or has it?
fn is_replaced(cluster: &Cluster, at: usize, job: JobId) -> bool {
    let Some(coordinator) = cluster.machines[at].coordinator() else { return false };
    let directory = coordinator.directory();
    directory.job(job).is_some_and(|row| row.incarnation > muster_wire::Incarnation(0))
}
