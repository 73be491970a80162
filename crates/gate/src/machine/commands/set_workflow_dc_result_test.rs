use super::*;
use crate::machine::fixture::{Bench, Case, refusal, repeat, success, workflow_result};
use muster_wire::job::WorkflowStatus;

pub(crate) const CASES: &[Case] = &[
    success("the last one says that all have reported it", || {
        let mut bench = Bench::leased();
        assert_eq!(bench.run(1, result("a")).reply(), Ok(Reported { all: false }));
        let outcome = bench.run(1, result("b"));
        assert_eq!(outcome.reply(), Ok(Reported { all: true }));
        outcome
    }),
    repeat("of the same result", || {
        let mut bench = Bench::leased();
        bench.run(1, result("a"));
        bench.run(1, result("a"))
    }),
    refusal("fenced", "an older lease", || {
        Bench::leased().run(1, SetWorkflowDcResult { dc_token: Token(0), ..result("a") })
    }),
    refusal("already_recorded", "another result under the same token", || {
        let mut bench = Bench::leased();
        bench.run(1, result("a"));
        bench.run(1, SetWorkflowDcResult { result: workflow_result(WorkflowStatus::Failed), ..result("a") })
    }),
    refusal("malformed", "no such workflow", || {
        Bench::leased().run(1, SetWorkflowDcResult { workflow: WorkflowIx(9), ..result("a") })
    }),
    refusal("malformed", "not terminal", || {
        Bench::leased()
            .run(1, SetWorkflowDcResult { result: workflow_result(WorkflowStatus::Running), ..result("a") })
    }),
    refusal("not_allowed", "not a target", || Bench::leased().run(1, result("z"))),
];

fn result(dc: &str) -> SetWorkflowDcResult {
    let result = workflow_result(WorkflowStatus::Completed);
    SetWorkflowDcResult { workflow: WorkflowIx(0), dc: dc.into(), dc_token: Token(1), result }
}
