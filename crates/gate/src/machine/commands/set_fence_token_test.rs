use super::*;
use crate::machine::commands::{AssumeGateLeadership, SetJob};
use crate::machine::fixture::{Bench, Case, node, refusal, repeat, success};

pub(crate) const CASES: &[Case] = &[
    success("the next token is above the floor", || {
        let mut bench = created();
        let outcome = bench.run(0, SetFenceToken { token: Token(40) });
        assert_eq!(bench.run(0, AssumeGateLeadership { node: node(1) }).reply(), Ok(Token(41)));
        outcome
    }),
    repeat("of a floor that is not higher", || {
        let mut bench = created();
        bench.run(0, SetFenceToken { token: Token(40) });
        bench.run(0, SetFenceToken { token: Token(39) })
    }),
    refusal("not_allowed", "a leader exists", || {
        Bench::submitted().run(0, SetFenceToken { token: Token(40) })
    }),
    refusal("token_out_of_range", "a floor far beyond", || {
        created().run(0, SetFenceToken { token: Token(u64::MAX) })
    }),
];

fn created() -> Bench {
    let mut bench = Bench::blank();
    bench.run(0, SetJob::creation());
    bench
}
