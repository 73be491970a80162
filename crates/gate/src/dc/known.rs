//! What is known of one datacenter.

use std::time::Duration;

use muster_wire::JobId;
use muster_wire::api::{Cores, DatacenterHealth, DatacenterView};
use muster_wire::rpc::manager::DatacenterReport;
use tokio::time::Instant;

use super::health::{Health, Reading};

/// The last answer of a datacenter, how it is judged, and who may be asked.
#[derive(Debug)]
pub(super) struct Known {
    seeds: Vec<String>,
    last: Option<(DatacenterReport, Duration)>,
    health: Health,
    /// Cores of jobs that this gate has chosen it for since the last answer.
    promised: u32,
    asked: bool,
}

impl Known {
    pub(super) const fn new(seeds: Vec<String>, now: Instant) -> Self {
        Self { seeds, last: None, health: Health::new(now), promised: 0, asked: false }
    }

    pub(super) fn heard(&mut self, report: DatacenterReport, now: Instant, asked_at: Instant) {
        self.health.take(Reading::of(&report), now);
        self.last = Some((report, now - asked_at));
        (self.promised, self.asked) = (0, true);
    }

    pub(super) fn not_heard(&mut self, reading: Reading, now: Instant) {
        self.health.take(reading, now);
        self.asked = true;
    }

    /// A job was sent there: until the next answer its cores count as used.
    pub(super) const fn promise(&mut self, cores: u32) {
        self.promised = self.promised.saturating_add(cores);
    }

    /// Was there one answer, or one failure?
    pub(super) const fn was_asked(&self) -> bool {
        self.asked
    }

    pub(super) const fn word(&self) -> DatacenterHealth {
        self.health.word()
    }

    pub(super) fn silent_for(&self, now: Instant) -> Duration {
        self.health.silent_for(now)
    }

    /// Whom to ask, the managers that were told of first: whoever answered last leads.
    pub(super) fn addrs(&self) -> Vec<String> {
        self.addrs_from(0)
    }

    /// The same, for a job: each job begins at a manager of its own, since the one that takes a new job leads it.
    pub(super) fn addrs_for(&self, job: JobId) -> Vec<String> {
        self.addrs_from(job.0)
    }

    fn addrs_from(&self, turn: u128) -> Vec<String> {
        let told = self.last.iter().flat_map(|(report, _)| &report.managers).map(|node| node.addr.clone());
        let mut told: Vec<String> = told.collect();
        let turns = turn % (told.len().max(1) as u128);
        told.rotate_left(turns as usize);
        let mut addrs: Vec<String> = Vec::new();
        for addr in told.into_iter().chain(self.seeds.iter().cloned()) {
            if !addr.is_empty() && !addrs.contains(&addr) {
                addrs.push(addr);
            }
        }
        addrs
    }

    pub(super) fn view(&self, name: &str) -> DatacenterView {
        let report = self.last.as_ref().map(|(report, _)| report);
        let total = report.map_or(0, |report| report.cores_total);
        let used = report.map_or(0, |report| report.cores_used).saturating_add(self.promised).min(total);
        DatacenterView {
            id: name.to_owned(),
            health: self.word(),
            managers: report.map_or(0, |report| report.managers.len() as u32),
            workers: report.map_or(0, |report| report.workers),
            cores: Cores { total, used },
            queued: report.map_or(0, |report| report.queued),
            leader: report.is_some_and(|report| report.has_leader),
            rtt_ms: self.last.as_ref().map(|(_, rtt)| rtt.as_secs_f64() * 1_000.0),
        }
    }
}

#[cfg(test)]
#[path = "known_test.rs"]
mod known_test;
