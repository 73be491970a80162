use super::*;
use crate::machine::commands::{SetJob, TakeoverGateLeadership};
use crate::machine::fixture::{Bench, Case, START_MS, lease, node, order, refusal, repeat, success};
use muster_wire::job::CancelScope;

pub(crate) const CASES: &[Case] = &[
    success("a new lease raises the datacenter's token", || {
        let mut bench = Bench::submitted();
        let outcome = bench.run(1, lease("a", node(1), START_MS));
        assert_eq!(outcome.reply::<LeaseGiven>().unwrap().dc_token, Token(1));
        outcome
    }),
    success("a renewal keeps the datacenter's token", || {
        let mut bench = Bench::leased();
        let outcome = bench.run(1, lease("a", node(1), START_MS + 5_000));
        assert_eq!(outcome.reply::<LeaseGiven>().unwrap().dc_token, Token(1));
        outcome
    }),
    success("a lease under a higher gate token supersedes", || {
        let mut bench = Bench::leased();
        bench.run(0, TakeoverGateLeadership { node: node(2), expected_token: Token(1) });
        let outcome = bench.run(2, lease("a", node(2), START_MS));
        assert_eq!(outcome.reply::<LeaseGiven>().unwrap().dc_token, Token(2));
        outcome
    }),
    repeat("of the same renewal", || Bench::leased().run(1, lease("a", node(1), START_MS))),
    refusal("held", "a live lease of another holder", || {
        Bench::leased().run(1, lease("a", node(2), START_MS))
    }),
    refusal("not_allowed", "not a target", || Bench::leased().run(1, lease("c", node(1), START_MS))),
    refusal("not_allowed", "a new lease while the job is being cancelled", || {
        let mut bench = Bench::submitted();
        bench.run(0, SetJob { cancel: Some(order(CancelScope::Job)), ..bench.change() });
        bench.run(1, lease("a", node(1), START_MS))
    }),
];
