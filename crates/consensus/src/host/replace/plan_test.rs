use muster_wire::{Generation, MemberNumber};

use super::plan::leaving;
use crate::directory::testing::Bench;
use crate::directory::{MemberState, MemberStatus};

const DRAINING: MemberNumber = MemberNumber(2);
const DEAD: MemberNumber = MemberNumber(4);

fn one_drains_and_one_is_dead() -> Bench {
    let mut bench = Bench::of(5);
    let of = |member| MemberState { member, generation: Generation(1), ..MemberState::default() };
    bench.applied(&MemberState { status: Some(MemberStatus::Draining), ..of(DRAINING) });
    bench.applied(&MemberState { dead: Some(true), ..of(DEAD) });
    bench
}

#[test]
fn who_drains_and_who_has_been_dead_for_long_is_replaced() {
    let bench = one_drains_and_one_is_dead();
    assert_eq!(leaving(bench.directory(), false, bench.now_ms + 1), [DRAINING, DEAD]);
    assert_eq!(leaving(bench.directory(), false, bench.now_ms - 1), [DRAINING]);
}

#[test]
fn nobody_is_replaced_as_dead_during_a_mass_suspicion() {
    let bench = one_drains_and_one_is_dead();
    assert_eq!(leaving(bench.directory(), true, bench.now_ms + 1), [DRAINING]);
}

#[test]
fn nobody_is_replaced_as_dead_while_more_than_a_third_are() {
    let mut bench = one_drains_and_one_is_dead();
    let (member, generation) = (MemberNumber(5), Generation(1));
    bench.applied(&MemberState { member, generation, dead: Some(true), ..MemberState::default() });
    assert_eq!(leaving(bench.directory(), false, bench.now_ms + 1), [DRAINING]);
}
