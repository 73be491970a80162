//! `release_dc_managers`: nobody is expected to lead the job anywhere any more.

use muster_machine::{Apply, Outcome, Stamp};
use serde::{Deserialize, Serialize};

use crate::machine::state::GateJob;

/// Drops every datacenter's manager.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ReleaseDcManagers {}

impl Apply<GateJob> for ReleaseDcManagers {
    fn apply(self, job: &mut GateJob, _: Stamp) -> Outcome {
        let held: Vec<String> =
            job.dcs.iter().filter(|(_, dc)| dc.manager.is_some()).map(|(name, _)| name.clone()).collect();
        if held.is_empty() {
            return Outcome::same();
        }
        for name in held {
            job.dcs.entry(name).or_default().manager = None;
        }
        Outcome::done()
    }
}

#[cfg(test)]
#[path = "release_dc_managers_test.rs"]
mod release_dc_managers_test;
#[cfg(test)]
pub(crate) use release_dc_managers_test::CASES;
