//! Cores held for attempts that are about to start.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_wire::JobId;
use muster_wire::job::AttemptKey;
use muster_wire::rpc::worker::{Rank, Reserve};

struct Hold {
    cores: u32,
    until: Duration,
}

/// All reservations, and the best gang that was refused of late.
pub(super) struct Holds {
    hold: Duration,
    gang_pause: Duration,
    held: BTreeMap<(JobId, AttemptKey), Hold>,
    cores: u32,
    /// Cores kept free for a gang of this rank until then.
    refused_gang: Option<(Rank, Duration)>,
}

impl Holds {
    pub(super) fn new(hold: Duration, gang_pause: Duration) -> Self {
        Self { hold, gang_pause, held: BTreeMap::new(), cores: 0, refused_gang: None }
    }

    pub(super) fn cores(&self) -> u32 {
        self.cores
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Cores that this attempt holds already.
    pub(super) fn cores_of(&self, job: JobId, key: AttemptKey) -> Option<u32> {
        self.held.get(&(job, key)).map(|hold| hold.cores)
    }

    pub(super) fn any_of(&self, job: JobId) -> bool {
        self.of(job).next().is_some()
    }

    /// The reservations of one job.
    pub(super) fn of(&self, job: JobId) -> impl Iterator<Item = AttemptKey> {
        self.held.keys().filter(move |(id, _)| *id == job).map(|(_, key)| *key)
    }

    /// Holds for the full time again if it was held before.
    pub(super) fn hold(&mut self, call: &Reserve, now: Duration) -> Duration {
        self.release(call.job, call.key);
        self.cores = self.cores.saturating_add(call.cores);
        self.held.insert((call.job, call.key), Hold { cores: call.cores, until: now + self.hold });
        self.hold
    }

    /// Gives the cores back; says how many were held.
    pub(super) fn release(&mut self, job: JobId, key: AttemptKey) -> Option<u32> {
        let hold = self.held.remove(&(job, key))?;
        self.cores = self.cores.saturating_sub(hold.cores);
        Some(hold.cores)
    }

    pub(super) fn release_job(&mut self, job: JobId) {
        let keys: Vec<AttemptKey> = self.of(job).collect();
        for key in keys {
            self.release(job, key);
        }
    }

    pub(super) fn expire(&mut self, now: Duration) {
        let over: Vec<_> =
            self.held.iter().filter(|(_, hold)| hold.until <= now).map(|(at, _)| *at).collect();
        for (job, key) in over {
            self.release(job, key);
        }
    }

    /// Is this rank behind a gang that was refused of late?
    pub(super) fn is_behind_gang(&self, rank: Rank, now: Duration) -> bool {
        self.refused_gang.is_some_and(|(best, until)| now < until && rank > best)
    }

    /// Remembers the best of the refused gangs, so that smaller dispatches do not starve it.
    pub(super) fn note_refused(&mut self, call: &Reserve, now: Duration) {
        if call.gang && !self.is_behind_gang(call.rank, now) {
            self.refused_gang = Some((call.rank, now + self.gang_pause));
        }
    }
}
