//! `update_context`: the job's replicated key/value store.

use muster_machine::{Apply, Outcome, Reason, Stamp};
use muster_wire::job::AttemptKey;
use serde::{Deserialize, Serialize};

use super::{ensure, outcome};
use crate::machine::context::Updates;
use crate::machine::record::JobRecord;
use crate::machine::shard::Phase;
use crate::machine::state::ManagerJob;

/// Merges values in log order; `None` deletes; the version rises by one. The reply gives the previous values. Refused:
/// another version than the expected one (`Conflict`), over 256 KiB in all (`TooLarge`), set by an attempt that is not
/// the accepted one of its shard (`Stale`). Values of an attempt are merged once; too large ones make its workflow one
/// that cannot be aggregated.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UpdateContext {
    /// The attempt that set them; `None`: a client.
    pub from: Option<AttemptKey>,
    /// The version that the writer has seen.
    pub expected_version: Option<u64>,
    /// New values by key.
    pub updates: Updates,
}

/// What a change of the context came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ContextChanged {
    /// The version now.
    pub version: u64,
    /// The values before, by key.
    pub previous: Updates,
}

impl Apply<ManagerJob> for UpdateContext {
    fn apply(self, state: &mut ManagerJob, _: Stamp) -> Outcome {
        outcome(self.update(state))
    }
}

impl UpdateContext {
    fn update(self, state: &mut ManagerJob) -> Result<Outcome, Reason> {
        let record = state.record_mut()?;
        match self.from {
            Some(key) => self.merge_from(record, key),
            None => self.merge(record),
        }
    }

    fn merge(self, record: &mut JobRecord) -> Result<Outcome, Reason> {
        let context = &mut record.context;
        let version = context.version();
        if context.holds(&self.updates) {
            return Ok(Outcome::noop(&ContextChanged { version, previous: self.updates }));
        }
        let expected = self.expected_version.unwrap_or(version);
        ensure(expected == version, || Reason::Conflict { version })?;
        let previous = context.merge(self.updates)?;
        Ok(Outcome::applied(&ContextChanged { version: context.version(), previous }))
    }

    fn merge_from(self, record: &mut JobRecord, key: AttemptKey) -> Result<Outcome, Reason> {
        let mut row = record.row(key.workflow, key.shard).ok_or(Reason::Stale)?;
        let accepted = row.phase == Phase::Succeeded;
        let last = row.last.as_mut().filter(|last| accepted & (last.attempt == key.attempt));
        let last = last.ok_or(Reason::Stale)?;
        if last.context_merged {
            let version = record.context.version();
            return Ok(Outcome::noop(&ContextChanged { version, previous: Updates::new() }));
        }
        last.context_merged = true;
        record.put_row(key.workflow, key.shard, row);
        let merged = record.context.merge(self.updates);
        if let (Err(reason), Some(workflow)) = (&merged, record.workflows.get_mut(&key.workflow)) {
            workflow.note_unmergeable(&reason.to_string());
        }
        let previous = merged.unwrap_or_default();
        Ok(Outcome::applied(&ContextChanged { version: record.context.version(), previous }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::world::{World, key, result, set_context};
    use muster_wire::job::Exit;
    use muster_wire::spec::{CONTEXT_BYTES_MAX, ContextValue};

    #[test]
    fn a_change_answers_the_previous_values_and_raises_the_version_by_one() {
        let mut world = World::registered();
        assert_eq!(world.applied(&set_context("rows", "1")).unwrap().previous["rows"], None);
        let changed = world.applied(&set_context("rows", "2")).unwrap();
        assert_eq!(changed.previous["rows"], Some(ContextValue::string("1")));
        assert_eq!(changed.version, 2);
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

    #[test]
    fn values_of_an_attempt_are_merged_once_and_only_when_it_was_accepted() {
        let mut world = World::started();
        let from = UpdateContext { from: Some(key(0, 0, 1)), ..set_context("rows", "1") };
        world.refused(&from, "stale");
        world.applied(&result(0, 0, Exit::code(0)));
        world.applied(&from);
        world.applied(&set_context("rows", "2"));
        world.same(&from);
    }

    #[test]
    fn values_that_are_too_large_keep_the_result_and_make_its_workflow_unmergeable() {
        let mut world = World::started();
        world.applied(&result(0, 0, Exit::code(0)));
        let large = set_context("all", &"x".repeat(CONTEXT_BYTES_MAX));
        world.applied(&UpdateContext { from: Some(key(0, 0, 1)), ..large });
        assert!(world.workflow(0).unmergeable().is_some());
        assert_eq!(world.record().context.version(), 0);
    }
}
