use std::time::Duration;

use muster_consensus::View;
use muster_wire::job::Exit;

use super::*;
use crate::machine::world::{World, key, provision, reserve, result, set_context, stopped, worker_dead};
use crate::machine::{ManagerJob, Phase};

fn settled(world: &mut World) -> Vec<u16> {
    let view = View {
        state: world.state().clone().into(),
        applied: 0,
        term: 0,
        at_ms: world.replica.at_ms(),
        age: Duration::ZERO,
    };
    let mut draft = Draft::new(world.state().job(), &view, world.now_ms());
    settle_workflows(&mut draft);
    settle_job(&mut draft);
    let expected: ManagerJob = draft.state().clone();
    let entry = draft.into_entry();
    let tags = entry.commands.iter().map(|command| command.tag).collect();
    let reply = world.propose(&entry);
    assert_eq!(reply.undone_by, None, "{reply:?}");
    assert_eq!(*world.state(), expected, "the entry does what the draft foretold");
    tags
}

#[test]
fn one_entry_takes_a_job_from_its_last_result_to_its_end() {
    let mut world = World::one_completed();
    world.applied(&reserve(1, 0, 1));
    world.applied(&provision(1, 0, 1));
    world.applied(&result(1, 0, Exit::code(0)));
    settled(&mut world);
    assert_eq!(world.state().status(), Some(JobStatus::Completed));
    assert_eq!(world.workflow(0).status(), WorkflowStatus::Aggregated);
    assert_eq!(settled(&mut world), Vec::<u16>::new());
}

#[test]
fn lost_attempts_that_report_after_all_complete_a_workflow_that_was_pending_again() {
    let mut world = World::registered();
    world.applied(&reserve(0, 0, 1));
    world.applied(&reserve(0, 1, 1));
    world.applied(&worker_dead(1));
    settled(&mut world);
    assert_eq!(world.workflow(0).status(), WorkflowStatus::Pending);
    world.applied(&result(0, 0, Exit::code(0)));
    world.applied(&result(0, 1, Exit::code(0)));
    settled(&mut world);
    assert_eq!(world.workflow(0).status(), WorkflowStatus::Aggregated);
}

#[test]
fn missing_registrations_are_made_up_for() {
    let mut world = World::led();
    assert_eq!(settled(&mut world), [4, 4]);
}

#[test]
fn a_failure_stops_what_is_open_and_then_fails_the_job() {
    let mut world = World::failed();
    world.applied(&set_context("seen", "1"));
    settled(&mut world);
    assert_eq!(world.state().status(), Some(JobStatus::Failed));
    assert_eq!(world.row(0, 1).phase, Phase::Open, "its process is still to be stopped");
}

#[test]
fn a_timeout_stops_everything_and_then_the_job_has_timed_out() {
    let mut world = World::started();
    world.pass(3_600_000);
    settled(&mut world);
    assert!(world.record().cancel().is_some());
    world.applied(&stopped(&[key(0, 0, 1), key(0, 1, 1)]));
    settled(&mut world);
    assert_eq!(world.state().status(), Some(JobStatus::TimedOut));
}

#[test]
fn a_job_of_which_every_workflow_was_cancelled_is_cancelled() {
    let mut world = World::registered();
    world.applied(&crate::machine::world::cancel_workflows(&[0, 1]));
    world.applied(&stopped(&[]));
    settled(&mut world);
    assert_eq!(world.state().status(), Some(JobStatus::Cancelled));
}

#[test]
fn a_result_that_cannot_be_merged_fails_its_workflow() {
    let mut world = World::started();
    let mut large = result(0, 0, Exit::code(0));
    large.outputs.insert("file".into(), muster_wire::spec::ContextValue::string(&"x".repeat(5_000)));
    world.applied(&large);
    world.applied(&result(0, 1, Exit::code(0)));
    settled(&mut world);
    assert_eq!(world.workflow(0).status(), WorkflowStatus::AggregationFailed);
    assert_eq!(world.workflow(1).status(), WorkflowStatus::Skipped);
    assert_eq!(world.state().status(), Some(JobStatus::Failed));
}
