use super::*;
use crate::machine::fixture::{Bench, Case, names, refusal, repeat, success};

pub(crate) const CASES: &[Case] = &[
    success("the first are primaries, the rest stand by", || {
        let mut bench = Bench::submitted();
        let outcome = bench.run(0, SetTargetDcs { dcs: names(&["x", "y"]), wanted: 1 });
        assert_eq!(bench.job().targets, Targets::new(&names(&["x", "y"]), 1));
        outcome
    }),
    repeat("of the same set", || {
        Bench::submitted().run(0, SetTargetDcs { dcs: names(&["a", "b", "c"]), wanted: 2 })
    }),
    refusal("not_allowed", "a leased datacenter is left out", || {
        Bench::leased().run(0, SetTargetDcs { dcs: names(&["a", "c"]), wanted: 2 })
    }),
    refusal("malformed", "one named twice", || {
        Bench::submitted().run(0, SetTargetDcs { dcs: names(&["a", "a"]), wanted: 1 })
    }),
    refusal("limit_reached", "too many", || {
        let dcs = (0..=TARGETS_MAX).map(|n| format!("dc{n}")).collect();
        Bench::submitted().run(0, SetTargetDcs { dcs, wanted: 1 })
    }),
];
