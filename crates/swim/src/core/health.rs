//! How well this node itself is: Lifeguard's local health multiplier. What looks like the silence of others may be
//! this node's own slowness, so each sign of that slows its probes and its judgement.

use std::time::Duration;

use crate::model::Event;

use super::Core;

#[derive(Default)]
pub(super) struct Health {
    /// 0 is well.
    lhm: u8,
    /// Lateness counts once in a probe interval.
    late_at: Option<Duration>,
}

impl Core {
    /// Signs of its own slowness: a failed probe, missing nacks, a refuted suspicion, late timers.
    pub(super) fn fall_ill(&mut self, by: u32) {
        let by = u8::try_from(by).unwrap_or(u8::MAX);
        self.set_lhm(self.health.lhm.saturating_add(by).min(self.tuning.health_max));
    }

    /// A probe was answered in time.
    pub(super) fn recover(&mut self) {
        self.set_lhm(self.health.lhm.saturating_sub(1));
    }

    fn set_lhm(&mut self, lhm: u8) {
        if lhm != self.health.lhm {
            self.health.lhm = lhm;
            self.emit(Event::SelfHealth { lhm });
        }
    }

    /// The local health multiplier, 0 to 7.
    pub fn lhm(&self) -> u8 {
        self.health.lhm
    }

    /// A time of the tuning as it is now.
    pub(super) fn scaled(&self, time: Duration) -> Duration {
        time * (u32::from(self.health.lhm) + 1)
    }

    /// This process was stalled: answers may lie unread, so nobody is judged until they had a chance to be read.
    pub(super) fn is_late(&self, due: Duration) -> bool {
        self.now.saturating_sub(due) > self.tuning.probe_timeout
    }

    pub(super) fn note_lateness(&mut self, due: Duration) {
        let is_counted = self.health.late_at.is_some_and(|at| self.now < at + self.tuning.probe_interval);
        if self.is_late(due) && !is_counted {
            self.health.late_at = Some(self.now);
            self.fall_ill(1);
        }
    }
}
