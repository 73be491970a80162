//! When what is due. One time per timer; equal times fire in the timers' order, so that runs are repeatable.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_wire::NodeId;

/// What wakes the core.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// Probe the next member.
    Probe,
    /// The probe was not answered at once.
    ProbeAgain(u64),
    /// The probe was not answered directly.
    ProbeIndirect(u64),
    /// The probe was not answered through others.
    ProbeReliable(u64),
    /// The probe was not answered at all.
    ProbeEnd(u64),
    /// A relayed ping was not answered in time: its asker is told.
    Nack(u64),
    /// A relayed ping is no longer waited for.
    Relay(u64),
    /// Ask a suspect again.
    Chase(NodeId),
    /// The suspicion was not refuted.
    Suspicion(NodeId),
    /// A dead or left member was remembered long enough.
    Forget(NodeId),
    /// A gossip round.
    Gossip,
    /// A push/pull sync.
    Sync,
    /// Try the dead and the seeds again.
    Reconnect,
    /// Try to join.
    Join,
}

impl Timer {
    /// Does it judge another node by its silence? Then it must not fire late: the silence may be this node's own.
    pub(crate) const fn judges(self) -> bool {
        matches!(self, Self::ProbeEnd(_) | Self::Suspicion(_))
    }
}

#[derive(Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Duration, Timer)>,
    at: BTreeMap<Timer, Duration>,
}

impl Timers {
    /// Sets a timer, instead of its earlier setting.
    pub(crate) fn set(&mut self, timer: Timer, at: Duration) {
        self.cancel(timer);
        self.at.insert(timer, at);
        self.due.insert((at, timer));
    }

    /// Sets a timer unless it is due before that.
    pub(crate) fn set_earlier(&mut self, timer: Timer, at: Duration) {
        if self.at.get(&timer).is_none_or(|set| at < *set) {
            self.set(timer, at);
        }
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.due.remove(&(at, timer));
        }
    }

    /// Takes the first timer that is due.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<(Duration, Timer)> {
        let (at, timer) = self.due.first().copied().filter(|(at, _)| *at <= now)?;
        self.cancel(timer);
        Some((at, timer))
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }
}
