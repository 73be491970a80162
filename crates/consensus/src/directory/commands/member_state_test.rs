use super::super::super::testing::*;
use super::super::super::*;
use super::*;

fn about(member: u32) -> MemberState {
    MemberState { member: MemberNumber(member), generation: Generation(1), ..MemberState::default() }
}

fn moved(member: u32, status: MemberStatus) -> MemberState {
    MemberState { status: Some(status), ..about(member) }
}

#[test]
fn a_member_goes_its_way_through_the_table() {
    let mut bench = Bench::of(1);
    bench.applied(&join(2));
    bench.applied(&MemberState { voter: Some(true), ..moved(2, MemberStatus::Active) });
    bench.same(&MemberState { voter: Some(true), ..moved(2, MemberStatus::Active) });
    bench.applied(&moved(2, MemberStatus::Draining));
    bench.applied(&moved(2, MemberStatus::Active));
    assert!(bench.directory().member(MemberNumber(2)).unwrap().voter);
}

#[test]
fn moves_outside_the_table_are_refused() {
    let mut bench = Bench::of(1);
    let refused =
        [moved(1, MemberStatus::Joining), moved(1, MemberStatus::Removed), moved(9, MemberStatus::Active)];
    for command in &refused {
        assert!(matches!(bench.refused(command), Reason::NotAllowed { .. }));
    }
}

#[test]
fn a_removed_member_has_no_further_states() {
    let mut bench = Bench::of(2);
    bench.applied(&MemberRemove { member: MemberNumber(2) });
    assert!(matches!(bench.refused(&moved(2, MemberStatus::Active)), Reason::NotAllowed { .. }));
}

#[test]
fn news_about_an_older_generation_are_stale() {
    let mut bench = Bench::of(1);
    bench.applied(&MemberState { generation: Generation(3), ..about(1) });
    assert_eq!(bench.refused(&MemberState { dead: Some(true), ..about(1) }), Reason::Stale);
}

#[test]
fn the_first_report_of_a_death_counts_and_a_new_generation_ends_it() {
    let mut bench = Bench::of(1);
    bench.applied(&MemberState { dead: Some(true), ..about(1) });
    let since = bench.directory().member(MemberNumber(1)).unwrap().dead_since_ms;
    assert_eq!(since, Some(bench.now_ms));
    bench.same(&MemberState { dead: Some(true), ..about(1) });
    bench.applied(&MemberState { generation: Generation(2), ..about(1) });
    assert_eq!(bench.directory().member(MemberNumber(1)).unwrap().dead_since_ms, None);
}

#[test]
fn a_false_alarm_is_taken_back() {
    let mut bench = Bench::of(1);
    bench.applied(&MemberState { dead: Some(true), ..about(1) });
    bench.applied(&MemberState { dead: Some(false), ..about(1) });
    assert_eq!(bench.directory().member(MemberNumber(1)).unwrap().dead_since_ms, None);
}
