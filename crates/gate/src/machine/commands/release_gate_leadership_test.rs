use muster_machine::{Entry, Machine as _};

use super::*;
use crate::machine::fixture::{Bench, Case, node, refusal, repeat, success};

pub(crate) const CASES: &[Case] = &[
    success("nobody leads and the last token is kept", || {
        let mut bench = Bench::submitted();
        let outcome = bench.run(1, release(1));
        assert_eq!((bench.job().leadership.leader.clone(), bench.token()), (None, 1));
        outcome
    }),
    repeat("of a release", || {
        let mut bench = Bench::submitted();
        bench.run(1, release(1));
        bench.run(1, release(1))
    }),
    refusal("conflict", "another leads", || Bench::submitted().run(1, release(2))),
];

fn release(id: u8) -> ReleaseGateLeadership {
    ReleaseGateLeadership { node: node(id), successor: None }
}

#[test]
fn a_planned_hand_over_names_its_successor_and_is_the_leaders_alone() {
    let bench = Bench::submitted();
    let entry = || Entry::new(bench.job().job, bench.job().token(), 0);
    assert_eq!(bench.job().release(&node(2), &node(3), entry()), None, "another acts for the job");
    let released = bench.job().release(&node(1), &node(3), entry()).unwrap();
    let command = ReleaseGateLeadership { node: node(1), successor: Some(node(3)) };
    assert_eq!(released, entry().with(&command).unwrap());
}
