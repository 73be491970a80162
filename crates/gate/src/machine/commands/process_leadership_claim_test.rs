use super::*;
use crate::machine::commands::ReleaseGateLeadership;
use crate::machine::fixture::{Bench, Case, node, refusal, repeat, success};

pub(crate) const CASES: &[Case] = &[
    success("the named successor leads under the next token", || {
        let mut bench = released();
        let outcome = bench.run(0, claim(2, 2));
        assert_eq!(outcome.reply(), Ok(Token(2)));
        outcome
    }),
    repeat("of a claim", || {
        let mut bench = released();
        bench.run(0, claim(2, 2));
        bench.run(0, claim(2, 2))
    }),
    refusal("conflict", "not the next token", || released().run(0, claim(2, 3))),
    refusal("not_allowed", "another successor is named", || released().run(0, claim(3, 2))),
];

fn claim(id: u8, token: u64) -> ProcessLeadershipClaim {
    ProcessLeadershipClaim { claimer: node(id), token: Token(token) }
}

fn released() -> Bench {
    let mut bench = Bench::submitted();
    bench.run(1, ReleaseGateLeadership { node: node(1), successor: Some(node(2)) });
    bench
}
