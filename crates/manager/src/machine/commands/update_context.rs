//! `update_context`: the job's replicated key/value store.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::WorkflowIx;
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::context::Updates;
use crate::machine::state::ManagerJob;

/// Merges values in log order; `None` deletes; the version rises by one. The reply gives the previous values. Refused:
/// another version than the expected one (`Conflict`), over 256 KiB in all (`TooLarge`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UpdateContext {
    /// The workflow whose shard set them; `None`: a client.
    pub workflow: Option<WorkflowIx>,
    /// The version that the writer has seen.
    pub expected_version: Option<u64>,
    /// New values by key.
    pub updates: Updates,
}

impl Apply<ManagerJob> for UpdateContext {
    fn apply(self, state: &mut ManagerJob, _: Stamp) -> Outcome {
        outcome(self.update(state))
    }
}

impl UpdateContext {
    fn update(self, state: &mut ManagerJob) -> Result<Outcome, Reason> {
        let context = &mut state.record_mut()?.context;
        if context.holds(&self.updates) {
            return Ok(Outcome::noop(&self.updates));
        }
        let version = context.version();
        let expected = self.expected_version.unwrap_or(version);
        ensure(expected == version, || Reason::Conflict { version })?;
        Ok(Outcome::applied(&context.merge(self.updates)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, set_context};
    use muster_wire::spec::{CONTEXT_BYTES_MAX, ContextValue};

    #[test]
    fn a_change_answers_the_previous_values_and_raises_the_version_by_one() {
        let mut world = World::registered();
        assert_eq!(world.applied(&set_context("rows", "1")).unwrap()["rows"], None);
        let previous = world.applied(&set_context("rows", "2")).unwrap();
        assert_eq!(previous["rows"], Some(ContextValue::string("1")));
        assert_eq!(world.record().context.version(), 2);
    }

    #[test]
    fn a_lost_compare_and_set_changes_nothing() {
        let mut world = World::registered();
        world.applied(&set_context("rows", "1"));
        let late = UpdateContext { expected_version: Some(0), ..set_context("rows", "9") };
        world.refused(&late, "conflict");
    }

    #[test]
    fn null_deletes_and_the_bound_holds_for_all_values_together() {
        let mut world = World::registered();
        world.refused(&set_context("all", &"x".repeat(CONTEXT_BYTES_MAX)), "too_large");
        let delete =
            UpdateContext { updates: Updates::from([("region".into(), None)]), ..set_context("", "") };
        world.applied(&delete);
        assert_eq!(world.record().context.get("region"), None);
    }
}
