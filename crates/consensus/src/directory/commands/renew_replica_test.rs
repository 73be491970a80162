use muster_wire::job::JobStatus;
use muster_wire::{Incarnation, MemberNumber};

use super::super::super::testing::*;
use super::super::super::*;
use super::*;

fn renewed(bench: &mut Bench) -> RenewReplica {
    let row = bench.registered(1);
    RenewReplica { job: JobId(1), set_index: row.set_index, out: row.replicas[2] }
}

#[test]
fn a_member_renews_its_own_replica_under_a_new_incarnation_without_being_counted_twice() {
    let mut bench = Bench::of(3);
    let renew = renewed(&mut bench);
    let planned = bench.applied(&renew);
    let into = RaftId::new(renew.out.member(), Incarnation(1));
    assert_eq!(planned.plan, Some(Plan { out: renew.out, into }));
    assert_eq!(bench.same(&renew), planned);
    let row = bench.directory().job(JobId(1)).unwrap().clone();
    assert_eq!(row.replica_of(into.member()), Some(into));
    assert_eq!((row.holders().count(), bench.directory().held(into.member())), (3, 1));
    bench.applied(&ConfirmReplace { job: JobId(1), out: renew.out, into });
    let row = bench.directory().job(JobId(1)).unwrap().clone();
    assert!(row.concerns(into) && !row.concerns(renew.out) && row.replicas.len() == 3);
    assert_eq!(bench.directory().held(into.member()), 1);
}

#[test]
fn a_renewal_against_another_set_or_over_another_plan_conflicts() {
    let mut bench = Bench::of(3);
    let renew = renewed(&mut bench);
    let stale = RenewReplica { set_index: 1, ..renew };
    assert_eq!(bench.refused(&stale), Reason::Conflict { version: renew.set_index });
    let Planned { set_index, .. } = bench.applied(&renew);
    let row = bench.directory().job(JobId(1)).unwrap().clone();
    let other = RenewReplica { set_index, out: row.replicas[1], ..renew };
    assert_eq!(bench.refused(&other), Reason::Conflict { version: set_index });
}

#[test]
fn a_renewal_can_be_withdrawn_and_never_gives_its_incarnation_again() {
    let mut bench = Bench::of(3);
    let renew = renewed(&mut bench);
    let Planned { set_index, .. } = bench.applied(&renew);
    let member = renew.out.member();
    let withdrawal = PlanReplace { job: JobId(1), set_index, out: member, into: member };
    let Planned { set_index, plan } = bench.applied(&withdrawal);
    assert_eq!(plan, None);
    let again = bench.applied(&RenewReplica { set_index, ..renew });
    assert_eq!(again.plan.unwrap().into.incarnation(), Incarnation(2));
}

#[test]
fn who_holds_no_replica_renews_none() {
    let mut bench = Bench::of(4);
    let renew = renewed(&mut bench);
    let stranger = RenewReplica { out: RaftId::new(MemberNumber(9), Incarnation(0)), ..renew };
    assert!(matches!(bench.refused(&stranger), Reason::NotAllowed { .. }));
    assert_eq!(bench.refused(&RenewReplica { job: JobId(5), ..renew }), Reason::UnknownJob);
    bench.applied(&retire(&bench, vec![retiring(1, JobStatus::Failed)]));
    assert_eq!(bench.refused(&renew), Reason::Gone { status: JobStatus::Failed });
}
