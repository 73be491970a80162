use std::collections::BTreeMap;

use muster_swim::State;
use muster_wire::job::Exit;
use muster_wire::spec::OnLost;

use super::*;
use crate::machine::world::{self, World, cancel_job, worker, worker_dead};

fn seat(id: u128, cores: u32) -> Seat {
    let labels = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
    Seat { node: worker(id), state: State::Alive, cores, labels, draining: false }
}

fn rows(world: &World, seats: &[Seat]) -> Vec<(Option<u32>, String, u32, String)> {
    let free = |seat: &Seat| seat.cores;
    let scene = Scene { seats, free: &free, now_ms: world.now_ms() };
    let rows = explain(world.record(), &scene, 100).rows;
    rows.into_iter().map(|row| (row.workflow.map(|ix| ix.0), row.cause, row.shards, row.detail)).collect()
}

fn cause_of_first(world: &World, seats: &[Seat]) -> String {
    rows(world, seats)[0].1.clone()
}

#[test]
fn a_workflow_that_depends_on_another_names_it() {
    let rows = rows(&World::registered(), &[seat(1, 1)]);
    assert_eq!((rows[1].0, rows[1].1.as_str()), (Some(1), "dependency"));
    assert!(rows[1].3.contains("`prepare`"), "{rows:?}");
}

#[test]
fn without_workers_or_without_fitting_ones_the_reason_says_so() {
    let world = World::registered();
    assert_eq!(cause_of_first(&world, &[]), "workers");
    let drained = Seat { draining: true, ..seat(1, 4) };
    assert!(rows(&world, &[drained])[0].3.contains("draining"));
    let small = Seat { cores: 0, ..seat(1, 4) };
    assert!(rows(&world, &[small])[0].3.contains("the largest that fits has 0"));
    assert_eq!(cause_of_first(&world, &[seat(1, 4)]), "cores");
}

#[test]
fn constraints_that_no_worker_meets_are_named() {
    let mut create = world::create_job();
    create.spec.workflows[0].constraints.insert("zone".into(), "b".into());
    let world = World::registered_with(&create);
    let rows = rows(&world, &[seat(1, 4)]);
    assert_eq!((rows[0].1.as_str(), rows[0].2), ("constraints", 2));
    assert!(rows[0].3.contains("zone = b"));
}

#[test]
fn a_gang_says_how_much_it_needs_together() {
    let mut create = world::create_job();
    create.spec.workflows[0].gang = true;
    let rows = rows(&World::registered_with(&create), &[seat(1, 4)]);
    assert_eq!(rows[0].1, "gang");
    assert!(rows[0].3.contains("together"), "{rows:?}");
}

#[test]
fn attempts_that_start_retry_run_or_are_lost_are_told_apart() {
    let mut world = World::started();
    assert_eq!(cause_of_first(&world, &[]), "starting");
    world.applied(&world::progress(1, 1));
    let now = rows(&world, &[]);
    assert_eq!((now[0].1.as_str(), now[0].2, now[1].1.as_str()), ("running", 1, "starting"));
    world.applied(&world::result(0, 0, Exit::code(1)));
    assert!(rows(&world, &[]).iter().any(|row| row.1 == "retry"));
    let mut waiting = World::started_with(OnLost::Wait);
    waiting.applied(&worker_dead(1));
    assert_eq!(cause_of_first(&waiting, &[]), "lost");
}

#[test]
fn a_cancel_names_what_is_not_confirmed_and_its_deadline() {
    let mut world = World::started();
    world.applied(&cancel_job());
    let free = |_: &Seat| 0;
    let scene = Scene { seats: &[], free: &free, now_ms: world.now_ms() };
    let explained = explain(world.record(), &scene, 1);
    assert_eq!((explained.rows[0].cause.as_str(), explained.rows.len()), ("cancel", 1));
    assert!(explained.rows[0].until_ms.is_some() && explained.more > 0);
}
