use super::super::super::testing::*;
use super::super::super::*;
use super::*;

#[test]
fn a_removed_member_frees_its_name_and_keeps_its_number() {
    let mut bench = Bench::of(3);
    bench.applied(&MemberRemove { member: MemberNumber(3) });
    assert!(bench.directory().member_by_name("n3").is_none());
    let row = bench.directory().member(MemberNumber(3)).unwrap();
    assert_eq!((row.status, row.voter), (MemberStatus::Removed, false));
    bench.same(&MemberRemove { member: MemberNumber(3) });
}

#[test]
fn the_last_voter_and_a_stranger_are_not_removed() {
    let mut bench = Bench::of(1);
    for member in [1, 9] {
        let reason = bench.refused(&MemberRemove { member: MemberNumber(member) });
        assert!(matches!(reason, Reason::NotAllowed { .. }));
    }
}

#[test]
fn a_removed_member_gets_no_groups() {
    let mut bench = Bench::of(4);
    bench.applied(&MemberRemove { member: MemberNumber(2) });
    for id in 1..=10 {
        assert!(!bench.registered(id).birth.replicas.contains(&MemberNumber(2)));
    }
}
