use super::*;
use crate::machine::fixture::{Bench, Case, node, refusal, repeat, success};
use muster_wire::Token;

pub(crate) const CASES: &[Case] = &[
    success("the lease is gone, the datacenter's token stays", || {
        let mut bench = Bench::leased();
        let outcome = bench.run(1, ReleaseLease { dc: "a".into(), holder: node(1) });
        let dc = bench.job().dc("a").unwrap();
        assert_eq!((dc.lease.is_none(), dc.token), (true, Token(1)));
        outcome
    }),
    repeat("of a release", || Bench::submitted().run(1, ReleaseLease { dc: "a".into(), holder: node(1) })),
    refusal("held", "another holds it", || {
        Bench::leased().run(1, ReleaseLease { dc: "a".into(), holder: node(2) })
    }),
];
