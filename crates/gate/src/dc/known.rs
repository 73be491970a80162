//! What is known of one datacenter.

use std::time::Duration;

use muster_wire::api::{Cores, DatacenterHealth, DatacenterView};
use muster_wire::rpc::manager::DatacenterReport;
use tokio::time::Instant;

/// A datacenter that has not answered for so long is unhealthy.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// The last answer of a datacenter, and who may be asked.
#[derive(Debug)]
pub(super) struct Known {
    seeds: Vec<String>,
    last: Option<Last>,
    was_asked: bool,
}

#[derive(Debug)]
struct Last {
    report: DatacenterReport,
    at: Instant,
    rtt: Duration,
}

impl Known {
    pub(super) const fn new(seeds: Vec<String>) -> Self {
        Self { seeds, last: None, was_asked: false }
    }

    pub(super) fn heard(&mut self, report: DatacenterReport, now: Instant, asked_at: Instant) {
        self.was_asked = true;
        self.last = Some(Last { report, at: now, rtt: now - asked_at });
    }

    pub(super) const fn not_heard(&mut self) {
        self.was_asked = true;
    }

    pub(super) fn addrs(&self) -> Vec<String> {
        let told = self.last.iter().flat_map(|last| &last.report.managers).map(|node| node.addr.clone());
        let mut addrs: Vec<String> = Vec::new();
        for addr in told.chain(self.seeds.iter().cloned()) {
            if !addr.is_empty() && !addrs.contains(&addr) {
                addrs.push(addr);
            }
        }
        addrs
    }

    fn health(&self, now: Instant) -> DatacenterHealth {
        let Some(last) = &self.last else { return self.health_before_first_answer() };
        let report = &last.report;
        let words = [
            (now - last.at > SILENT_AFTER, DatacenterHealth::Unhealthy),
            (!report.has_leader || report.workers == 0, DatacenterHealth::Degraded),
            (report.cores_used >= report.cores_total, DatacenterHealth::Busy),
        ];
        words.into_iter().find(|(holds, _)| *holds).map_or(DatacenterHealth::Healthy, |(_, health)| health)
    }

    const fn health_before_first_answer(&self) -> DatacenterHealth {
        match self.was_asked {
            true => DatacenterHealth::Unhealthy,
            false => DatacenterHealth::Initializing,
        }
    }

    pub(super) fn view(&self, name: &str, now: Instant) -> DatacenterView {
        let report = self.last.as_ref().map(|last| &last.report);
        DatacenterView {
            id: name.to_owned(),
            health: self.health(now),
            managers: report.map_or(0, |report| report.managers.len() as u32),
            workers: report.map_or(0, |report| report.workers),
            cores: Cores {
                total: report.map_or(0, |report| report.cores_total),
                used: report.map_or(0, |report| report.cores_used),
            },
            leader: report.is_some_and(|report| report.has_leader),
            rtt_ms: self.last.as_ref().map(|last| last.rtt.as_secs_f64() * 1_000.0),
        }
    }
}
