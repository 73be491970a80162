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
