use muster_wire::Incarnation;
use muster_wire::job::JobStatus;

use super::super::super::testing::*;
use super::super::super::*;
use super::*;

/// A job and a plan to move its last replica to the one member without.
pub(super) fn planned(bench: &mut Bench) -> PlanReplace {
    let row = bench.registered(1);
    let out = *row.birth.replicas.last().unwrap();
    let into = (1..=4).map(MemberNumber).find(|member| !row.birth.replicas.contains(member)).unwrap();
    PlanReplace { job: JobId(1), set_index: row.set_index, out, into }
}

#[test]
fn a_plan_gives_a_new_incarnation_and_counts_as_load() {
    let mut bench = Bench::of(4);
    let plan = planned(&mut bench);
    let reply = bench.applied(&plan);
    let row = bench.directory().job(JobId(1)).unwrap();
    assert_eq!(reply, Planned { set_index: bench.index, plan: row.plan });
    assert_eq!(row.plan.unwrap().into, RaftId::new(plan.into, Incarnation(1)));
    assert_eq!(row.replicas.len(), 3);
    assert!(row.concerns(row.plan.unwrap().into) && row.concerns(row.plan.unwrap().out));
    assert_eq!(bench.directory().held(plan.into), 1);
    assert_eq!(bench.same(&plan), reply);
}

#[test]
fn a_plan_against_another_set_or_over_another_plan_conflicts() {
    let mut bench = Bench::of(5);
    let plan = planned(&mut bench);
    let stale = PlanReplace { set_index: 1, ..plan };
    assert_eq!(bench.refused(&stale), Reason::Conflict { version: plan.set_index });
    let Planned { set_index, .. } = bench.applied(&plan);
    let second = PlanReplace { set_index, out: MemberNumber(1), ..plan };
    assert_eq!(bench.refused(&second), Reason::Conflict { version: set_index });
}

#[test]
fn only_a_holder_goes_and_only_an_active_member_with_room_comes() {
    let mut bench = Bench::of(4);
    let plan = planned(&mut bench);
    let refused = [
        PlanReplace { out: plan.into, into: plan.out, ..plan },
        PlanReplace { into: MemberNumber(1), ..plan },
        PlanReplace { into: MemberNumber(9), ..plan },
    ];
    for command in &refused {
        assert!(matches!(bench.refused(command), Reason::NotAllowed { .. }));
    }
    let generation = muster_wire::Generation(1);
    bench.applied(&MemberState {
        member: plan.into,
        generation,
        groups_max: Some(0),
        ..MemberState::default()
    });
    assert!(matches!(bench.refused(&plan), Reason::Busy { .. }));
}

#[test]
fn a_withdrawal_leaves_the_set_and_never_gives_the_incarnation_again() {
    let mut bench = Bench::of(4);
    let plan = planned(&mut bench);
    let Planned { set_index, .. } = bench.applied(&plan);
    let withdrawal = PlanReplace { set_index, into: plan.out, ..plan };
    let reply = bench.applied(&withdrawal);
    assert_eq!(reply.plan, None);
    bench.same(&withdrawal);
    let again = bench.applied(&PlanReplace { set_index: reply.set_index, ..plan });
    assert_eq!(again.plan.unwrap().into.incarnation(), Incarnation(2));
}

#[test]
fn a_job_that_is_not_there_is_unknown_or_gone() {
    let mut bench = Bench::of(4);
    let plan = planned(&mut bench);
    assert_eq!(bench.refused(&PlanReplace { job: JobId(5), ..plan }), Reason::UnknownJob);
    bench.applied(&retire(&bench, vec![retiring(1, JobStatus::Failed)]));
    assert_eq!(bench.refused(&plan), Reason::Gone { status: JobStatus::Failed });
}
