use muster_wire::job::JobStatus;
use muster_wire::{Incarnation, MemberNumber};

use super::super::super::testing::*;
use super::super::super::*;
use super::*;

fn planned(bench: &mut Bench) -> ConfirmReplace {
    let row = bench.registered(1);
    let out = *row.birth.replicas.last().unwrap();
    let into = (1..=4).map(MemberNumber).find(|member| !row.birth.replicas.contains(member)).unwrap();
    let plan = PlanReplace { job: JobId(1), set_index: row.set_index, out, into };
    let Plan { out, into } = bench.applied(&plan).plan.unwrap();
    ConfirmReplace { job: JobId(1), out, into }
}

#[test]
fn a_confirmed_replacement_changes_the_set_and_not_the_birth() {
    let mut bench = Bench::of(4);
    let confirm = planned(&mut bench);
    let birth = bench.directory().job(JobId(1)).unwrap().birth.clone();
    let set_index = bench.applied(&confirm);
    let row = bench.directory().job(JobId(1)).unwrap().clone();
    assert_eq!((row.set_index, row.plan, &row.birth), (set_index, None, &birth));
    assert!(row.concerns(confirm.into) && !row.concerns(confirm.out));
    assert_eq!(bench.directory().held(confirm.out.member()), 0);
    assert_eq!(bench.same(&confirm), set_index);
}

#[test]
fn what_was_not_planned_is_not_confirmed() {
    let mut bench = Bench::of(4);
    let confirm = planned(&mut bench);
    let other = ConfirmReplace { into: RaftId::new(confirm.into.member(), Incarnation(9)), ..confirm };
    assert!(matches!(bench.refused(&other), Reason::Conflict { .. }));
}

#[test]
fn a_member_that_comes_back_has_a_new_incarnation() {
    let mut bench = Bench::of(4);
    let confirm = planned(&mut bench);
    let set_index = bench.applied(&confirm);
    let back =
        PlanReplace { job: JobId(1), set_index, out: confirm.into.member(), into: confirm.out.member() };
    let plan = bench.applied(&back).plan.unwrap();
    assert_eq!(plan.into, RaftId::new(confirm.out.member(), Incarnation(2)));
}

#[test]
fn a_job_that_is_not_there_is_unknown_or_gone() {
    let mut bench = Bench::of(4);
    let confirm = planned(&mut bench);
    assert_eq!(bench.refused(&ConfirmReplace { job: JobId(5), ..confirm }), Reason::UnknownJob);
    bench.applied(&retire(&bench, vec![retiring(1, JobStatus::Failed)]));
    assert_eq!(bench.refused(&confirm), Reason::Gone { status: JobStatus::Failed });
}
