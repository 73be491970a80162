//! `set_target_dcs`: where the job is to run.

use std::collections::BTreeSet;

use muster_machine::{Apply, Outcome, Reason, Stamp};
use serde::{Deserialize, Serialize};

use super::{Tried, ensure, settle};
use crate::machine::state::GateJob;
use crate::machine::targets::{TARGETS_MAX, Targets};

/// Sets the target set: the first `wanted` run the job, the rest stand by.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetTargetDcs {
    /// Primaries first, then fallbacks; each once; at most 64.
    pub dcs: Vec<String>,
    /// How many run it, at least 1.
    pub wanted: u32,
}

impl Apply<GateJob> for SetTargetDcs {
    fn apply(self, job: &mut GateJob, stamp: Stamp) -> Outcome {
        settle(self.set(job, stamp))
    }
}

impl SetTargetDcs {
    fn set(self, job: &mut GateJob, stamp: Stamp) -> Tried {
        self.check(job)?;
        let targets = Targets::new(&self.dcs, self.wanted);
        if targets == job.targets {
            return Ok(Outcome::same());
        }
        for name in &targets.primaries {
            job.dcs.entry(name.clone()).or_default().heard_at_ms = stamp.at_ms;
        }
        job.targets = targets;
        Ok(Outcome::done())
    }

    fn check(&self, job: &GateJob) -> Result<(), Reason> {
        let names: BTreeSet<&String> = self.dcs.iter().collect();
        let sound = names.len() == self.dcs.len() && self.wanted >= 1 && !names.is_empty();
        ensure(sound, || Reason::malformed("each datacenter once, at least one of them wanted"))?;
        ensure(names.len() <= TARGETS_MAX, || Reason::LimitReached { what: "datacenters".into() })?;
        let left_out = job.dcs.iter().find(|(name, dc)| dc.was_leased() && !names.contains(name));
        ensure(left_out.is_none(), || Reason::not_allowed("a datacenter that holds a lease is left out"))
    }
}

#[cfg(test)]
#[path = "set_target_dcs_test.rs"]
mod set_target_dcs_test;
#[cfg(test)]
pub(crate) use set_target_dcs_test::CASES;
