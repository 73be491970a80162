//! Where a job is to run.

use imbl::Vector;
use serde::{Deserialize, Serialize};

/// Datacenters that one job may name.
pub(crate) const TARGETS_MAX: usize = 64;

/// The target set: those that run the job, and those that stand by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// How many are to run it.
    pub wanted: u32,
    /// Those that run it.
    pub primaries: Vector<String>,
    /// Those that take a refusing or lost one's place, in order.
    pub fallbacks: Vector<String>,
}

impl Targets {
    /// The first `wanted` run it, the rest stand by.
    pub fn new(dcs: &[String], wanted: u32) -> Self {
        let split = dcs.len().min(wanted as usize);
        let (primaries, fallbacks) = dcs.split_at(split);
        Self {
            wanted,
            primaries: primaries.iter().cloned().collect(),
            fallbacks: fallbacks.iter().cloned().collect(),
        }
    }

    /// Is `dc` to run the job?
    pub fn contains(&self, dc: &str) -> bool {
        self.primaries.iter().any(|name| name == dc)
    }

    /// Puts `dc` in the place of `replaced`, or behind all.
    pub(super) fn put(&mut self, dc: &str, replaced: Option<&str>) {
        self.fallbacks.retain(|name| name != dc);
        let place = replaced.and_then(|old| self.primaries.iter().position(|name| name == old));
        match place {
            Some(at) => _ = self.primaries.set(at, dc.to_owned()),
            None => self.push(dc),
        }
    }

    fn push(&mut self, dc: &str) {
        self.primaries.push_back(dc.to_owned());
        self.wanted = self.wanted.max(self.primaries.len() as u32);
    }
}
