//! Webhooks of a job: what each was told, and what it is owed.

use muster_wire::api::EventKind;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::state::GateJob;

/// Webhooks that were dropped, kept for people.
pub(crate) const DROPPED_MAX: usize = 16;

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// Which events are wanted; empty: all.
    pub kinds: Vec<EventKind>,
    /// Sealed by the gates' key.
    #[serde(with = "serde_bytes")]
    pub secret: Vec<u8>,
    /// Version up to which it was delivered.
    pub delivered: u64,
    /// It was added, or its position moved, then; replicated ms since 1970.
    #[serde(default)]
    pub since_ms: u64,
}

/// A webhook that was removed or given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedCallback {
    /// Which.
    pub url: String,
    /// Version up to which it was delivered.
    pub delivered: u64,
    /// Why it was given up; `None`: its owner removed it.
    pub gave_up: Option<String>,
    /// When, replicated ms since 1970.
    pub at_ms: u64,
}

/// What a webhook is owed next.
#[derive(Clone, Debug, PartialEq)]
pub enum Owed<'a> {
    /// This event.
    Event(&'a Event),
    /// Older ones are not kept any more: the current state, under the last event's version.
    Truncated(&'a Event),
}

impl Owed<'_> {
    /// The version that is delivered with it.
    pub const fn version(&self) -> u64 {
        match self {
            Self::Event(event) | Self::Truncated(event) => event.version,
        }
    }

    /// When it became due, replicated ms since 1970.
    pub const fn at_ms(&self) -> u64 {
        match self {
            Self::Event(event) | Self::Truncated(event) => event.at_ms,
        }
    }
}

impl Callback {
    /// Does it want events of this kind?
    pub fn wants(&self, kind: EventKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Everything that it is owed, in order.
    pub fn owed<'a>(&'a self, job: &'a GateJob) -> Vec<Owed<'a>> {
        let first = job.events.front().map_or(1, |event| event.version);
        if self.delivered + 1 < first {
            return job.events.last().map(Owed::Truncated).into_iter().collect();
        }
        let kept = self.delivered + 1 - first;
        let unseen = job.events.iter().skip(usize::try_from(kept).unwrap_or(usize::MAX));
        unseen.filter(|event| self.wants(event.what.kind())).map(Owed::Event).collect()
    }

    /// Is anything owed to it?
    pub fn is_owed(&self, job: &GateJob) -> bool {
        let newest = job.events.last().map_or(0, |event| event.version);
        self.delivered < newest && !self.owed(job).is_empty()
    }
}

impl GateJob {
    /// Is any webhook owed an event?
    pub fn owes_callbacks(&self) -> bool {
        self.callbacks.values().any(|callback| callback.is_owed(self))
    }

    /// Keeps that a webhook was dropped, and why, the newest few.
    pub(super) fn note_dropped(&mut self, dropped: DroppedCallback) {
        self.dropped_callbacks.retain(|known| known.url != dropped.url);
        self.dropped_callbacks.push_back(dropped);
        while self.dropped_callbacks.len() > DROPPED_MAX {
            self.dropped_callbacks.pop_front();
        }
    }
}
