use super::*;
use crate::machine::commands::ReleaseGateLeadership;
use crate::machine::fixture::{Bench, Case, node, refusal, repeat, success};
use muster_wire::{Generation, Token};

pub(crate) const CASES: &[Case] = &[
    success("after a release the token rises by one", || {
        let mut bench = Bench::submitted();
        bench.run(1, ReleaseGateLeadership { node: node(1), successor: None });
        let outcome = bench.run(0, AssumeGateLeadership { node: node(2) });
        assert_eq!(outcome.reply(), Ok(Token(2)));
        outcome
    }),
    repeat("by the leader", || Bench::submitted().run(0, AssumeGateLeadership { node: node(1) })),
    refusal("conflict", "another leads", || {
        Bench::submitted().run(0, AssumeGateLeadership { node: node(2) })
    }),
    refusal("conflict", "an older process of the same node leads", || {
        let newer = NodeRef { generation: Generation(2), ..node(1) };
        Bench::submitted().run(0, AssumeGateLeadership { node: newer })
    }),
];
