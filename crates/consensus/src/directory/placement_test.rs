use std::collections::BTreeMap;

use super::super::testing::*;
use super::super::*;
use super::*;

#[test]
fn a_set_is_the_largest_odd_number_that_members_and_replication_allow() {
    let cases =
        [(3, 1, 1), (3, 2, 1), (3, 3, 3), (3, 4, 3), (5, 4, 3), (5, 7, 5), (4, 7, 3), (0, 3, 1), (3, 0, 0)];
    for (replication, active, size) in cases {
        assert_eq!(set_size(replication, active), size, "{replication} of {active}");
    }
}

#[test]
fn the_proposer_leads_and_is_counted_once() {
    let mut bench = Bench::of(5);
    for id in 1..=40 {
        let row = bench.registered(id);
        assert_eq!(row.birth.proposer, MemberNumber(1));
        assert_eq!(row.birth.replicas[0], MemberNumber(1));
        let mut distinct = row.birth.replicas.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 3);
    }
}

#[test]
fn an_inactive_proposer_is_stood_in_for() {
    let mut bench = Bench::of(4);
    bench.applied(&MemberState {
        member: MemberNumber(1),
        generation: muster_wire::Generation(1),
        status: Some(MemberStatus::Draining),
        ..MemberState::default()
    });
    let row = bench.registered(1);
    assert!(!row.birth.replicas.contains(&MemberNumber(1)));
    assert_eq!(row.birth.proposer, row.birth.replicas[0]);
}

#[test]
fn members_to_avoid_are_left_out_only_while_enough_others_exist() {
    let mut bench = Bench::of(5);
    let avoid = vec![MemberNumber(2), MemberNumber(3)];
    bench.applied(&RegisterJob { avoid: avoid.clone(), ..register(1) });
    let replicas = &bench.directory().job(JobId(1)).unwrap().birth.replicas;
    assert!(avoid.iter().all(|member| !replicas.contains(member)));
    bench.applied(&RegisterJob { avoid, replication: 5, ..register(2) });
    assert_eq!(bench.directory().job(JobId(2)).unwrap().birth.replicas.len(), 5);
}

#[test]
fn a_member_held_dead_is_avoided_but_still_counted() {
    let mut bench = Bench::of(5);
    bench.applied(&MemberState {
        member: MemberNumber(4),
        generation: muster_wire::Generation(1),
        dead: Some(true),
        ..MemberState::default()
    });
    for id in 1..=20 {
        let row = bench.registered(id);
        assert_eq!(row.birth.replicas.len(), 3);
        assert!(!row.birth.replicas.contains(&MemberNumber(4)));
    }
}

#[test]
fn load_spreads_over_the_members_and_follows_their_size() {
    let mut bench = Bench::of(6);
    bench.applied(&MemberState {
        member: MemberNumber(6),
        generation: muster_wire::Generation(1),
        groups_max: Some(200),
        ..MemberState::default()
    });
    for id in 0..120 {
        let proposer = MemberNumber(id as u32 % 6 + 1);
        bench.applied(&RegisterJob { proposer, ..register(id + 1) });
    }
    let held: BTreeMap<u32, u32> =
        (1..=6).map(|number| (number, bench.directory().held(MemberNumber(number)))).collect();
    assert_eq!(held.values().sum::<u32>(), 360);
    assert!((1..=5).all(|number| (40..=70).contains(&held[&number])), "{held:?}");
    assert!(held[&6] > 65, "{held:?}");
}

#[test]
fn the_hash_is_never_changed() {
    assert_eq!(mix(1), 0x910a_2dec_8902_5cc1);
}
