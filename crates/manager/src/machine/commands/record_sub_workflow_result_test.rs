use super::*;
use crate::machine::world::{World, cancel_job, result, worker_dead};
use muster_wire::job::{ExitKind, ShardState, WorkflowStatus};
use muster_wire::spec::ContextValue;

#[test]
fn the_first_result_wins() {
    let mut world = World::started();
    world.applied(&result(0, 0, Exit::code(0)));
    world.refused(&result(0, 0, Exit::code(1)), "already_recorded");
    assert_eq!(world.row(0, 0).state(), ShardState::Succeeded);
}

#[test]
fn the_reply_says_when_every_shard_is_decided() {
    let mut world = World::started();
    assert!(!world.applied(&result(0, 0, Exit::code(0))).unwrap().all_decided);
    assert!(world.applied(&result(0, 1, Exit::code(0))).unwrap().all_decided);
}

#[test]
fn a_result_of_an_attempt_that_is_not_the_last_is_stale() {
    let mut world = World::started();
    let mut older = result(0, 0, Exit::code(0));
    older.key.attempt = older.key.attempt.next();
    world.refused(&older, "stale");
}

#[test]
fn a_lost_attempt_may_still_report_while_no_newer_one_exists() {
    let mut world = World::started();
    world.applied(&worker_dead(1));
    assert_eq!(world.row(0, 0).state(), ShardState::Pending);
    world.applied(&result(0, 0, Exit::code(0)));
    assert_eq!(world.row(0, 0).state(), ShardState::Succeeded);
}

#[test]
fn a_result_for_an_ended_workflow_is_kept_as_late() {
    let mut world = World::failed();
    assert!(world.applied(&result(0, 1, Exit::code(0))).unwrap().late);
    assert_eq!((world.record().late_results, world.workflow(0).status()), (1, WorkflowStatus::Failed));
}

#[test]
fn outputs_beyond_the_bound_are_left_out_and_the_workflow_cannot_be_merged() {
    let mut world = World::started();
    let mut large = result(0, 0, Exit::code(0));
    large.outputs.insert("file".into(), ContextValue::string(&"x".repeat(5_000)));
    world.applied(&large);
    assert!(world.row(0, 0).result.unwrap().outputs.is_empty());
    assert!(world.workflow(0).unmergeable().is_some());
    world.same(&large);
}

#[test]
fn a_stopped_attempt_leaves_the_pending_set_of_the_cancel() {
    let mut world = World::started();
    world.applied(&cancel_job());
    world.applied(&result(0, 0, Exit::because(ExitKind::Cancelled, "stopped")));
    assert_eq!(world.record().cancel.as_ref().unwrap().pending.len(), 1);
    assert_eq!(world.row(0, 0).state(), ShardState::Cancelled);
}

#[test]
fn a_running_attempt_cannot_be_refused() {
    let mut world = World::started();
    world.applied(&crate::machine::world::progress(1, 0));
    world.refused(&result(0, 0, Exit::because(ExitKind::Refused, "no")), "stale");
}
