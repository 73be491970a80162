use super::*;
use crate::machine::commands::{Refusal, SetDcResult, SetJob};
use crate::machine::fixture::{Bench, Case, dc_result, refusal, repeat, success};
use muster_wire::Token;
use muster_wire::job::JobStatus;

pub(crate) const CASES: &[Case] = &[
    success("a chosen one is put beside the others", || {
        let mut bench = Bench::submitted();
        let outcome = bench.run(1, add("c", None, Why::Chosen));
        assert_eq!(bench.job().targets.primaries.len(), 3);
        outcome
    }),
    success("the place of a refusing one is taken", || {
        let mut bench = refusing();
        let outcome = bench.run(1, add("c", Some("a"), Why::Refused));
        assert!(bench.job().targets.primaries.iter().eq(["c", "b"].iter()));
        outcome
    }),
    success("the results of a lost one are fenced and a cancel is owed to it", || {
        let mut bench = Bench::leased();
        bench.wait(30_000);
        let outcome = bench.run(1, add("c", Some("a"), Why::Lost));
        assert_eq!(bench.job().owed_stops(), ["a"]);
        let late =
            SetDcResult { dc: "a".into(), dc_token: Token(1), result: dc_result(JobStatus::Completed) };
        assert_eq!(bench.run(1, late).word(), "fenced");
        outcome
    }),
    repeat("of a target", || Bench::submitted().run(1, add("a", None, Why::Chosen))),
    refusal("not_allowed", "refused, but no refusal is recorded", || {
        Bench::leased().run(1, add("c", Some("a"), Why::Refused))
    }),
    refusal("not_allowed", "the one that refused", || {
        let mut bench = refusing();
        bench.run(1, add("c", Some("a"), Why::Refused));
        bench.run(1, add("a", None, Why::Chosen))
    }),
    refusal("not_yet", "lost, before its timeout", || {
        let mut bench = Bench::leased();
        bench.wait(29_999);
        bench.run(1, add("c", Some("a"), Why::Lost))
    }),
];

fn add(dc: &str, replaces: Option<&str>, why: Why) -> AddTargetDc {
    AddTargetDc { dc: dc.into(), replaces: replaces.map(str::to_owned), why }
}

fn refusing() -> Bench {
    let mut bench = Bench::leased();
    bench.run(1, SetJob { refused: Some(Refusal { dc: "a".into(), why: "full".into() }), ..bench.change() });
    bench
}
