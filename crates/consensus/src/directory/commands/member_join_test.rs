use super::super::super::testing::*;
use super::super::super::*;
use super::*;

#[test]
fn founding_members_are_numbered_by_position_and_active() {
    let bench = Bench::of(7);
    let rows: Vec<_> =
        bench.directory().members().map(|row| (row.number.0, row.name.clone(), row.voter)).collect();
    assert_eq!(rows[0], (1, "n1".into(), true));
    assert_eq!(rows.iter().filter(|row| row.2).count(), 5);
    assert_eq!(bench.directory().active().count(), 7);
}

#[test]
fn a_founding_member_out_of_its_place_is_a_conflict() {
    assert_eq!(Bench::of(1).refused(&founding(3)), Reason::Conflict { version: 1 });
}

#[test]
fn a_later_member_joins_as_a_learner_under_the_next_number() {
    let mut bench = Bench::of(3);
    assert_eq!(bench.applied(&join(8)), Joined { member: MemberNumber(4) });
    let row = bench.directory().member(MemberNumber(4)).unwrap();
    assert_eq!((row.status, row.voter), (MemberStatus::Joining, false));
    assert_eq!(bench.same(&join(8)), Joined { member: MemberNumber(4) });
}

#[test]
fn a_restarted_member_keeps_its_number_and_tells_its_new_addresses() {
    let mut bench = Bench::of(3);
    let again = MemberJoin { generation: Generation(2), rpc: "10.0.0.1:1".into(), ..join(2) };
    assert_eq!(bench.applied(&again), Joined { member: MemberNumber(2) });
    let row = bench.directory().member(MemberNumber(2)).unwrap();
    assert_eq!(
        (row.generation, row.rpc.as_str(), row.status),
        (Generation(2), "10.0.0.1:1", MemberStatus::Active)
    );
    assert_eq!(bench.refused(&join(2)), Reason::Stale);
}

#[test]
fn a_name_that_belongs_to_a_present_member_is_refused_and_says_what_to_do() {
    let mut bench = Bench::of(3);
    let wiped = MemberJoin { node: NodeId(99), ..join(2) };
    let reason = bench.refused(&wiped);
    assert!(reason.to_string().contains("`muster node remove n2`"), "{reason}");
    bench.applied(&MemberRemove { member: MemberNumber(2) });
    assert_eq!(bench.applied(&wiped), Joined { member: MemberNumber(4) });
    assert_eq!(bench.directory().member_by_name("n2").unwrap().node, NodeId(99));
}

#[test]
fn a_dead_members_name_is_free_and_the_old_node_cannot_take_it_back() {
    let mut bench = Bench::of(3);
    let member = MemberNumber(2);
    bench.applied(&MemberState {
        member,
        generation: Generation(1),
        dead: Some(true),
        ..MemberState::default()
    });
    bench.applied(&MemberJoin { node: NodeId(99), ..join(2) });
    let back = MemberJoin { generation: Generation(2), ..join(2) };
    assert!(matches!(bench.refused(&back), Reason::NotAllowed { .. }));
    let alive =
        MemberState { member, generation: Generation(1), dead: Some(false), ..MemberState::default() };
    assert!(matches!(bench.refused(&alive), Reason::NotAllowed { .. }));
}

#[test]
fn a_member_keeps_its_name() {
    let mut bench = Bench::of(2);
    let renamed = MemberJoin { name: "other".into(), generation: Generation(2), ..join(2) };
    assert!(matches!(bench.refused(&renamed), Reason::NotAllowed { .. }));
}

#[test]
fn a_removed_node_never_comes_back_under_its_id() {
    let mut bench = Bench::of(3);
    bench.applied(&MemberRemove { member: MemberNumber(2) });
    let reason = bench.refused(&MemberJoin { generation: Generation(9), ..join(2) });
    assert!(reason.to_string().contains("was removed as member 2"), "{reason}");
}

#[test]
fn numbers_are_never_reused_even_after_the_row_is_forgotten() {
    let mut bench = Bench::of(1);
    for id in 2..400_u32 {
        let Joined { member } = bench.applied(&join(id));
        assert_eq!(member, MemberNumber(id));
        bench.applied(&MemberRemove { member });
    }
    assert!(bench.directory().members().count() <= 1 + bounds::REMOVED_MAX);
    let restored = Directory::restore(&bench.directory().encode().unwrap()).unwrap();
    assert_eq!(restored.last_member, MemberNumber(399));
}

#[test]
fn members_are_bounded() {
    let mut bench = Bench::of(MEMBERS_MAX as u32);
    assert!(matches!(bench.refused(&join(1000)), Reason::LimitReached { .. }));
}
