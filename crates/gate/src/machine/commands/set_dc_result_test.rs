use super::*;
use crate::machine::commands::TakeoverGateLeadership;
use crate::machine::fixture::{Bench, Case, START_MS, dc_result, lease, node, refusal, repeat, success};
use muster_wire::job::JobStatus;

pub(crate) const CASES: &[Case] = &[
    success("the last one says that all have reported", || {
        let mut bench = Bench::leased();
        assert_eq!(bench.run(1, result("a", 1)).reply(), Ok(Reported { all: false }));
        let outcome = bench.run(1, result("b", 1));
        assert_eq!(outcome.reply(), Ok(Reported { all: true }));
        outcome
    }),
    repeat("of the same result", || {
        let mut bench = Bench::leased();
        bench.run(1, result("a", 1));
        bench.run(1, result("a", 1))
    }),
    refusal("not_allowed", "not a target", || Bench::leased().run(1, result("z", 1))),
    refusal("fenced", "an older lease", || {
        let mut bench = Bench::leased();
        bench.run(0, TakeoverGateLeadership { node: node(2), expected_token: Token(1) });
        bench.run(2, lease("a", node(2), START_MS));
        bench.run(2, result("a", 1))
    }),
    refusal("token_out_of_range", "a lease that was never given", || Bench::leased().run(1, result("a", 2))),
    refusal("already_recorded", "another result under the same token", || {
        let mut bench = Bench::leased();
        bench.run(1, result("a", 1));
        bench.run(1, SetDcResult { result: dc_result(JobStatus::Failed), ..result("a", 1) })
    }),
    refusal("malformed", "not terminal", || {
        Bench::leased().run(1, SetDcResult { result: dc_result(JobStatus::Running), ..result("a", 1) })
    }),
];

fn result(dc: &str, dc_token: u64) -> SetDcResult {
    SetDcResult { dc: dc.into(), dc_token: Token(dc_token), result: dc_result(JobStatus::Completed) }
}

#[test]
fn a_result_after_the_end_is_kept_and_changes_nothing_visible() {
    let mut bench = Bench::leased();
    bench.move_to(JobStatus::Failed);
    let version = bench.job().record.as_ref().unwrap().version;
    assert_eq!(bench.run(1, result("a", 1)).word(), "applied");
    assert_eq!(bench.job().record.as_ref().unwrap().version, version);
}
