//! Every row of the table has cases by name: its success, its repeat, each of its refusals and each of its guards. The
//! test reads the table, so a row or a guard without a case fails.

use std::collections::BTreeSet;

use muster_machine::{Apply, Machine as _};
use muster_wire::job::{Digest, Exit, JobStatus, WorkflowStatus};
use muster_wire::spec::{CONTEXT_BYTES_MAX, OnLost};
use muster_wire::{Token, WorkflowIx};

use super::ManagerJob;
use super::commands::*;
use super::limits::TOKEN_LEAP_MAX;
use super::world::*;

/// What refuses each command besides its guards.
const REFUSALS: &[(&str, &[&str])] = &[
    ("create_job", &["conflict", "malformed"]),
    ("track_remote_job", &["stale", "token_out_of_range"]),
    ("complete_job", &["not_allowed", "not_yet"]),
    ("register_workflow", &["malformed", "not_allowed"]),
    ("register_sub_workflow", &["malformed", "not_allowed", "not_yet"]),
    ("update_workflow_progress", &[]),
    ("record_sub_workflow_result", &["stale", "already_recorded"]),
    ("mark_workflow_completed", &["not_allowed", "malformed"]),
    ("mark_workflow_failed", &["not_allowed", "malformed"]),
    ("mark_aggregation_failed", &["not_allowed", "malformed"]),
    ("update_workflow_status", &["not_allowed", "malformed"]),
    ("update_job_status", &["not_allowed", "not_yet"]),
    ("update_context", &["conflict", "too_large"]),
    ("assume_job_leadership", &["conflict", "not_yet"]),
    ("takeover_job_leadership", &["conflict", "not_yet"]),
    ("release_job_leadership", &["conflict"]),
    ("initiate_cancellation", &["already_terminal"]),
    ("complete_cancellation", &["not_allowed", "not_yet"]),
    ("provision_confirmed", &["stale"]),
    ("flush_stats_window", &[]),
    ("node_membership_event", &["stale"]),
];

#[derive(Default)]
struct Suite {
    covered: BTreeSet<(&'static str, String)>,
}

impl Suite {
    fn cover<C: Apply<ManagerJob>>(&mut self, what: &str) {
        self.covered.insert((C::NAME, what.to_owned()));
    }

    /// Success, then the same again; then what its row's guards refuse.
    fn row<C: Apply<ManagerJob>>(&mut self, world: fn() -> World, command: &C) {
        let mut ready = world();
        ready.applied(command);
        self.cover::<C>("success");
        ready.same(command);
        self.cover::<C>("repeat");
        let row = ManagerJob::table().row(C::TAG).unwrap();
        for guard in row.guard_names {
            check_guard(guard, world, command);
            self.cover::<C>(guard);
        }
    }

    fn refused<C: Apply<ManagerJob>>(&mut self, mut world: World, command: &C, word: &str) {
        world.refused(command, word);
        self.cover::<C>(word);
    }
}

fn check_guard<C: Apply<ManagerJob>>(guard: &str, world: fn() -> World, command: &C) {
    match guard {
        "not_tombstone" => World::purged().refused(command, "gone"),
        "job_exists" => check_job_exists(command),
        "not_terminal" => World::completed().refused(command, "already_terminal"),
        "not_cancelling" => World::cancelling().refused(command, "not_allowed"),
        "current_token" => check_current_token(world, command),
        other => panic!("the guard {other} has no case"),
    }
}

fn check_job_exists<C: Apply<ManagerJob>>(command: &C) {
    World::empty().refused(command, "unknown_job");
    World::purged().refused(command, "gone");
}

fn check_current_token<C: Apply<ManagerJob>>(world: fn() -> World, command: &C) {
    for (carried, word) in [(0, "fenced"), (2, "conflict"), (TOKEN_LEAP_MAX + 2, "token_out_of_range")] {
        let mut ready = world();
        let mut entry = ready.entry().with(command).unwrap();
        entry.token = Token(carried);
        assert_eq!(ready.propose(&entry).outcomes[0].word(), word, "{} under token {carried}", C::NAME);
    }
}

fn cases_of_life(suite: &mut Suite) {
    suite.row(World::empty, &create_job());
    suite.refused(World::created(), &CreateJob { digest: Digest([9; 32]), ..create_job() }, "conflict");
    suite.refused(World::empty(), &CreateJob { spec: spec(vec![]), ..create_job() }, "malformed");

    suite.row(World::created, &track_gate(1, 1));
    let mut tracked = World::created();
    tracked.applied(&track_gate(2, 2));
    suite.refused(tracked, &track_gate(2, 1), "stale");
    suite.refused(World::created(), &track_gate(TOKEN_LEAP_MAX + 1, 1), "token_out_of_range");

    suite.row(World::completed, &purge());
    suite.refused(World::started(), &purge(), "not_allowed");
    suite.refused(World::completed(), &CompleteJob { acknowledged_by_gate: false, ..purge() }, "not_yet");

    suite.row(World::started, &set_job(JobStatus::Running));
    suite.refused(World::completed(), &set_job(JobStatus::Running), "not_allowed");
    suite.refused(World::started(), &set_job(JobStatus::Failed), "not_yet");

    suite.row(World::started, &set_context("rows", "1"));
    let late = UpdateContext { expected_version: Some(9), ..set_context("rows", "1") };
    suite.refused(World::started(), &late, "conflict");
    suite.refused(World::started(), &set_context("x", &"x".repeat(CONTEXT_BYTES_MAX)), "too_large");
}

fn cases_of_workflows(suite: &mut Suite) {
    suite.row(World::led, &RegisterWorkflow { workflow: WorkflowIx(0) });
    suite.refused(World::led(), &RegisterWorkflow { workflow: WorkflowIx(9) }, "malformed");
    let mut cancelled = World::led();
    cancelled.applied(&cancel_workflows(&[1]));
    suite.refused(cancelled, &RegisterWorkflow { workflow: WorkflowIx(1) }, "not_allowed");

    suite.row(all_accepted, &completed(0));
    suite.refused(World::started(), &completed(0), "not_allowed");
    suite.refused(World::started(), &completed(9), "malformed");

    suite.row(given_up, &failed(0));
    suite.refused(World::one_completed(), &failed(0), "not_allowed");
    suite.refused(World::started(), &failed(9), "malformed");

    suite.row(World::one_completed, &unmerged(0));
    suite.refused(World::started(), &unmerged(0), "not_allowed");
    suite.refused(World::started(), &unmerged(9), "malformed");

    suite.row(World::one_completed, &set_workflow(0, WorkflowStatus::Aggregated));
    suite.refused(World::started(), &set_workflow(0, WorkflowStatus::Aggregated), "not_allowed");
    suite.refused(World::started(), &set_workflow(9, WorkflowStatus::Skipped), "malformed");
}

fn cases_of_attempts(suite: &mut Suite) {
    suite.row(World::registered, &reserve(0, 0, 1));
    suite.refused(World::registered(), &reserve(0, 9, 1), "malformed");
    suite.refused(World::registered(), &reserve(1, 0, 1), "not_allowed");
    let mut retrying = World::started();
    retrying.fail_attempt(0, 0, 1);
    suite.refused(retrying, &reserve(0, 0, 2), "not_yet");

    suite.row(reserved, &provision(0, 0, 1));
    suite.refused(reserved(), &provision(0, 0, 2), "stale");

    suite.row(World::started, &progress(1, 1));

    suite.row(World::started, &result(0, 0, Exit::code(0)));
    suite.refused(World::registered(), &result(0, 0, Exit::code(0)), "stale");
    let mut recorded = World::started();
    recorded.applied(&result(0, 0, Exit::code(0)));
    suite.refused(recorded, &result(0, 0, Exit::code(3)), "already_recorded");

    suite.row(World::started, &window(1));
    suite.row(|| World::started_with(OnLost::Retry), &worker_dead(1));
    let mut restarted = World::started();
    restarted.applied(&worker_restarted(1));
    suite.refused(restarted, &worker_dead(1), "stale");
}

fn cases_of_leadership(suite: &mut Suite) {
    suite.row(World::created, &assume(1));
    suite.refused(World::led(), &assume(2), "conflict");
    suite.refused(handed_over(), &assume(3), "not_yet");

    suite.row(World::led, &takeover(2, 1));
    suite.refused(World::led(), &takeover(2, 9), "conflict");
    suite.refused(handed_over(), &takeover(3, 1), "not_yet");

    suite.row(World::led, &release(None));
    suite.refused(World::taken_over(), &release(None), "conflict");
}

fn cases_of_cancels(suite: &mut Suite) {
    suite.row(World::started, &cancel_job());
    suite.refused(World::completed(), &cancel_job(), "already_terminal");

    let confirmed = stopped(&[key(0, 0, 1), key(0, 1, 1)]);
    suite.row(World::cancelling, &confirmed);
    suite.refused(World::started(), &confirmed, "not_allowed");
    suite.refused(World::cancelling(), &stopped(&[]), "not_yet");
}

fn all_accepted() -> World {
    let mut world = World::started();
    world.applied(&result(0, 0, Exit::code(0)));
    world.applied(&result(0, 1, Exit::code(0)));
    world
}

fn given_up() -> World {
    let mut world = World::started();
    world.fail_attempt(0, 0, 1);
    world.pass(60_000);
    world.applied(&reserve(0, 0, 2));
    world.fail_attempt(0, 0, 2);
    world
}

fn reserved() -> World {
    let mut world = World::registered();
    world.applied(&reserve(0, 0, 1));
    world
}

fn handed_over() -> World {
    let mut world = World::led();
    world.applied(&release(Some(2)));
    world
}

#[test]
fn every_row_has_its_success_its_repeat_its_refusals_and_its_guards() {
    let mut suite = Suite::default();
    cases_of_life(&mut suite);
    cases_of_workflows(&mut suite);
    cases_of_attempts(&mut suite);
    cases_of_leadership(&mut suite);
    cases_of_cancels(&mut suite);
    for row in ManagerJob::table().rows {
        let refusals = REFUSALS.iter().find(|(name, _)| *name == row.name).map(|(_, refusals)| *refusals);
        let refusals = refusals.unwrap_or_else(|| panic!("the row {} lists no refusals", row.name));
        for what in ["success", "repeat"].iter().chain(refusals).chain(row.guard_names) {
            assert!(
                suite.covered.contains(&(row.name, (*what).to_owned())),
                "{} has no case {what}",
                row.name
            );
        }
    }
}

#[test]
fn the_table_has_the_twenty_one_commands_with_rising_tags() {
    let tags: Vec<u16> = ManagerJob::table().rows.iter().map(|row| row.tag).collect();
    assert_eq!(tags, (1..=21).collect::<Vec<_>>());
}

#[test]
fn one_entry_submits_a_job() {
    let mut world = World::empty();
    let mut entry = world.entry().with(&create_job()).unwrap().with(&track_gate(1, 1)).unwrap();
    entry.token = Token(1);
    entry.push(&assume(1)).unwrap();
    for workflow in [0, 1].map(WorkflowIx) {
        entry.push(&RegisterWorkflow { workflow }).unwrap();
    }
    let reply = world.propose(&entry);
    assert_eq!(reply.undone_by, None, "{reply:?}");
    assert_eq!(world.record().tally().total, 2);
    let repeat = world.propose(&entry);
    assert!(repeat.outcomes.iter().all(|outcome| outcome.word() == "noop"), "{repeat:?}");
}
