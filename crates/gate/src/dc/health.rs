//! How a datacenter is, judged from one answer after the other, with hysteresis: a single odd answer changes nothing,
//! and one that comes and goes has to stay well for longer before it is trusted again.

use std::time::Duration;

use muster_wire::api::DatacenterHealth;
use muster_wire::rpc::manager::DatacenterReport;
use tokio::time::Instant;

/// No answer for so long is silence, whatever was asked meanwhile.
const SILENT_AFTER: Duration = Duration::from_secs(5);
/// Answers in a row that make it worse, or better.
const WORSE_AFTER: u32 = 2;
const BETTER_AFTER: u32 = 3;
/// So many silences within [`FLAP_WINDOW`] are flapping.
const FLAPS_MAX: usize = 3;
const FLAP_WINDOW: Duration = Duration::from_secs(120);
/// What flaps is well again only after so long without silence.
const FLAP_REST: Duration = Duration::from_secs(30);

/// What a question came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    /// An answer that says so.
    Said(DatacenterHealth),
    /// Nobody listens at any manager's address: their processes are gone.
    Refused,
    /// No answer.
    Silence,
}

impl Reading {
    /// From a report.
    pub(super) const fn of(report: &DatacenterReport) -> Self {
        let is_degraded = !report.has_leader | (report.workers == 0);
        let is_busy = (report.cores_used >= report.cores_total) | (report.queued > report.cores_total);
        Self::Said(match (is_degraded, is_busy) {
            (true, _) => DatacenterHealth::Degraded,
            (false, true) => DatacenterHealth::Busy,
            (false, false) => DatacenterHealth::Healthy,
        })
    }
}

/// The judgement so far.
#[derive(Clone, Debug)]
pub(super) struct Health {
    now: DatacenterHealth,
    /// The last answer, or the start.
    heard_at: Instant,
    /// Another word than the present one, and how often in a row.
    other: Option<(DatacenterHealth, u32)>,
    /// When it fell silent, of late.
    silences: Vec<Instant>,
}

impl Health {
    /// Not asked yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self { now: DatacenterHealth::Initializing, heard_at: now, other: None, silences: Vec::new() }
    }

    /// What it is.
    pub(super) const fn word(&self) -> DatacenterHealth {
        self.now
    }

    /// For how long nothing was heard.
    pub(super) fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard_at)
    }

    /// Takes the outcome of a question.
    pub(super) fn take(&mut self, reading: Reading, now: Instant) {
        if let Reading::Said(word) = reading {
            self.heard_at = now;
            return self.hear(word, now);
        }
        let is_brief = reading == Reading::Silence && self.silent_for(now) < SILENT_AFTER;
        if !is_brief {
            self.hear(DatacenterHealth::Unhealthy, now);
        }
    }

    fn hear(&mut self, word: DatacenterHealth, now: Instant) {
        if word == self.now {
            self.other = None;
            return;
        }
        let times = self.other.filter(|(other, _)| *other == word).map_or(1, |(_, times)| times + 1);
        self.other = Some((word, times));
        if times >= self.needed(word) && !self.rests(now) {
            self.become_(word, now);
        }
    }

    /// The first answer counts at once; a refusal by every process nearly so.
    fn needed(&self, word: DatacenterHealth) -> u32 {
        match (self.now, word > self.now) {
            (DatacenterHealth::Initializing, _) => 1,
            (_, true) => WORSE_AFTER,
            (_, false) => BETTER_AFTER,
        }
    }

    /// It flapped, and was silent a moment ago.
    fn rests(&self, now: Instant) -> bool {
        let flaps = self.silences.len() >= FLAPS_MAX;
        let last = self.silences.last().is_some_and(|at| now.saturating_duration_since(*at) < FLAP_REST);
        self.now == DatacenterHealth::Unhealthy && flaps && last
    }

    fn become_(&mut self, word: DatacenterHealth, now: Instant) {
        (self.now, self.other) = (word, None);
        self.silences.retain(|at| now.saturating_duration_since(*at) < FLAP_WINDOW);
        if word == DatacenterHealth::Unhealthy {
            self.silences.push(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use DatacenterHealth::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// One reading a second.
    fn after(health: &mut Health, start: Instant, readings: &[Reading]) -> Instant {
        readings.iter().fold(start, |now, reading| {
            let now = now + SECOND;
            health.take(*reading, now);
            now
        })
    }

    fn start() -> (Health, Instant) {
        let now = muster_runtime::Clock::system().now();
        (Health::new(now), now)
    }

    #[test]
    fn the_first_answer_counts_and_a_single_odd_one_does_not() {
        let (mut health, now) = start();
        let now = after(&mut health, now, &[Reading::Said(Healthy)]);
        assert_eq!(health.word(), Healthy);
        let now = after(&mut health, now, &[Reading::Said(Degraded), Reading::Said(Healthy)]);
        assert_eq!(health.word(), Healthy);
        let now = after(&mut health, now, &[Reading::Said(Busy), Reading::Said(Busy)]);
        assert_eq!(health.word(), Busy);
        let now = after(&mut health, now, &[Reading::Said(Healthy); 2]);
        assert_eq!(health.word(), Busy);
        after(&mut health, now, &[Reading::Said(Healthy)]);
        assert_eq!(health.word(), Healthy);
    }

    #[test]
    fn silence_counts_after_five_seconds_and_a_refusal_after_two() {
        let (mut health, now) = start();
        let now = after(&mut health, now, &[Reading::Said(Healthy)]);
        let now = after(&mut health, now, &[Reading::Silence; 5]);
        assert_eq!(health.word(), Healthy);
        let now = after(&mut health, now, &[Reading::Silence]);
        assert_eq!((health.word(), health.silent_for(now)), (Unhealthy, SECOND * 6));
        let now = after(&mut health, now, &[Reading::Said(Healthy); 3]);
        assert_eq!(health.word(), Healthy);
        after(&mut health, now, &[Reading::Refused; 2]);
        assert_eq!(health.word(), Unhealthy);
    }

    #[test]
    fn what_flaps_is_trusted_again_only_after_its_rest() {
        let (mut health, mut now) = start();
        for _ in 0..FLAPS_MAX {
            now = after(&mut health, now, &[Reading::Said(Healthy); 3]);
            assert_eq!(health.word(), Healthy);
            now = after(&mut health, now, &[Reading::Refused; 2]);
        }
        now = after(&mut health, now, &[Reading::Said(Healthy); 20]);
        assert_eq!(health.word(), Unhealthy);
        after(&mut health, now, &[Reading::Said(Healthy); 12]);
        assert_eq!(health.word(), Healthy);
    }
}
