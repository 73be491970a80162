use super::*;
use crate::machine::fixture::{Bench, Case, START_MS, lease, node, refusal, repeat, success};
use muster_wire::Generation;

pub(crate) const CASES: &[Case] = &[
    success("the token rises by one and leases are cleared", || {
        let mut bench = Bench::leased();
        let outcome = bench.run(0, take(2, 1));
        assert_eq!(outcome.reply(), Ok(Token(2)));
        assert!(bench.job().dcs.values().all(|dc| dc.lease.is_none() && dc.was_leased()));
        outcome
    }),
    success("by a new process of the same node", || {
        let newer = NodeRef { generation: Generation(2), ..node(1) };
        Bench::submitted().run(0, TakeoverGateLeadership { node: newer, expected_token: Token(1) })
    }),
    repeat("when already so", || {
        let mut bench = Bench::submitted();
        bench.run(0, take(2, 1));
        bench.run(0, take(2, 1))
    }),
    refusal("conflict", "the token is another", || Bench::submitted().run(0, take(2, 7))),
];

fn take(id: u8, expected: u64) -> TakeoverGateLeadership {
    TakeoverGateLeadership { node: node(id), expected_token: Token(expected) }
}

#[test]
fn a_fenced_leader_cannot_give_a_lease() {
    let mut bench = Bench::leased();
    bench.run(0, take(2, 1));
    assert_eq!(
        bench.run(1, lease("a", node(1), START_MS)).rejection(),
        Some(&Reason::Fenced { by: Token(2) })
    );
}
