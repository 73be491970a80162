//! What is looked at while everything runs: the state of every replica, and the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use muster_consensus::GroupStatus;
use muster_machine::Machine as _;
use muster_wire::{GroupId, Incarnation, JobId, RaftId};

use crate::host::Machine;
use crate::world::{Cluster, Shared};

/// What a run has come by.
#[derive(Default)]
pub(crate) struct Coverage {
    /// Sightings of replicas that slept, and that were on disk only.
    asleep: u64,
    evicted: u64,
    /// Replicas that took the place of others.
    replaced: BTreeSet<(GroupId, RaftId)>,
    retired: usize,
    snapshots: BTreeSet<(usize, GroupId, u64)>,
    leaderships: u64,
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asleep, evicted, replaced, retired, snapshots, leaderships } = self;
        let (replaced, snapshots) = (replaced.len(), snapshots.len());
        write!(
            f,
            "{leaderships} leaderships, {replaced} replacements, {retired} retirements, {snapshots} snapshots, {asleep} asleep, {evicted} evicted"
        )
    }
}

/// What was seen last, so that only news is compared.
#[derive(Default)]
pub(crate) struct Watch {
    /// Per machine and job: the run and the index that were applied when it was looked at.
    seen: BTreeMap<(usize, JobId), (u64, u64)>,
    /// The directory's digest after each index that was seen.
    directories: BTreeMap<u64, u32>,
    directory_seen: BTreeMap<usize, (u64, u64)>,
    leaders: BTreeMap<(usize, JobId), u64>,
    looks: u64,
    pub(crate) coverage: Coverage,
}

/// Looks between two at the replicas that failed.
const FAILED_EVERY: u64 = 10;

impl Watch {
    pub(crate) fn look(&mut self, cluster: &Cluster) {
        self.looks += 1;
        for (at, machine) in cluster.machines.iter().enumerate() {
            self.look_at(&cluster.shared, at, machine);
            if self.looks.is_multiple_of(FAILED_EVERY) {
                self.look_at_replicas(&cluster.shared, at, machine);
            }
        }
    }

    fn look_at(&mut self, shared: &Shared, at: usize, machine: &Machine) {
        let Some(coordinator) = machine.coordinator() else { return };
        let directory = coordinator.directory_watch();
        let view = directory.borrow().clone();
        if self.directory_seen.insert(at, (machine.runs(), view.applied))
            != Some((machine.runs(), view.applied))
        {
            self.compare_directory(shared, machine, (view.applied, &view.state));
        }
        for job in shared.oracle.begun() {
            let Some(views) = coordinator.watch(job) else { continue };
            let view = views.borrow().clone();
            let now = (machine.runs(), view.applied);
            if self.seen.insert((at, job), now) != Some(now) {
                shared.oracle.observe(job, &machine.name, &view.state);
            }
        }
        self.note_leaders(shared, at, &coordinator.led().borrow());
    }

    fn note_leaders(&mut self, shared: &Shared, at: usize, led: &imbl::OrdMap<JobId, u64>) {
        for (job, term) in led {
            if self.leaders.insert((at, *job), *term) != Some(*term) {
                self.coverage.leaderships += 1;
                shared.trace.line(&format!("job {job} is led by m{} in term {term}", at + 1));
            }
        }
    }

    fn compare_directory(
        &mut self,
        shared: &Shared,
        machine: &Machine,
        (applied, directory): (u64, &muster_consensus::Directory),
    ) {
        let coming =
            directory.jobs().flat_map(|row| row.replicas.iter().map(|replica| (row.group, *replica)));
        self.coverage.replaced.extend(coming.filter(|(_, replica)| replica.incarnation() > Incarnation(0)));
        self.coverage.retired = self.coverage.retired.max(directory.tombstones_len());
        let Ok(bytes) = directory.encode() else { return };
        let digest = crc32fast::hash(&bytes);
        let known = *self.directories.entry(applied).or_insert(digest);
        if known != digest {
            shared.oracle.accuse(format!("the directory of {} differs at index {applied}", machine.name));
        }
    }
}

impl Watch {
    fn look_at_replicas(&mut self, shared: &Shared, at: usize, machine: &Machine) {
        let Some(coordinator) = machine.coordinator() else { return };
        let statuses = coordinator.groups();
        statuses.iter().for_each(|status| self.coverage.note(at, status));
        if !is_excused(machine, &statuses) {
            statuses.iter().for_each(|status| check_replica(shared, machine, status));
        }
    }
}

/// A disk that has failed takes replicas along; they are opened again some time after it works again.
fn is_excused(machine: &Machine, statuses: &[GroupStatus]) -> bool {
    if machine.has_stopped() || machine.disk.is_failing() {
        return true;
    }
    if !statuses.iter().any(has_failed) {
        machine.disk.forget_hurt();
    }
    machine.disk.has_hurt()
}

fn has_failed(status: &GroupStatus) -> bool {
    status.state == "failed"
}

/// A replica fails with the disk below it, or with its own records, and for no other reason.
fn check_replica(shared: &Shared, machine: &Machine, status: &GroupStatus) {
    let is_rotten = status.job.is_some_and(|job| machine.is_rotten(job));
    if has_failed(status) && !is_rotten {
        shared.oracle.accuse(format!("a replica of group {} has failed at {}", status.group, machine.name));
    }
}

impl Coverage {
    fn note(&mut self, at: usize, status: &GroupStatus) {
        self.asleep += u64::from(status.state == "asleep");
        self.evicted += u64::from(status.state == "evicted");
        self.snapshots.extend(status.snapshot.map(|index| (at, status.group, index)));
    }
}
