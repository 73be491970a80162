use super::*;
use crate::machine::commands::TakeoverGateLeadership;
use crate::machine::fixture::{Bench, Case, START_MS, lease, node, refusal, repeat, success};

pub(crate) const CASES: &[Case] = &[
    success("the first one", || Bench::leased().run(1, manager(9, 1, ManagerMode::Assign))),
    success("a transfer to a higher token", || {
        let mut bench = assigned();
        let outcome = bench.run(1, manager(8, 2, ManagerMode::Transfer));
        assert_eq!(bench.job().dc("a").unwrap().manager.as_ref().unwrap().token, Token(2));
        outcome
    }),
    repeat("of the same", || assigned().run(1, manager(9, 1, ManagerMode::Assign))),
    refusal("conflict", "assign over another", || assigned().run(1, manager(8, 2, ManagerMode::Assign))),
    refusal("stale", "a transfer to no higher token", || {
        assigned().run(1, manager(8, 1, ManagerMode::Transfer))
    }),
    refusal("not_allowed", "not a target", || {
        Bench::leased().run(1, UpdateDcManager { dc: "z".into(), ..manager(9, 1, ManagerMode::Assign) })
    }),
    refusal("fenced", "an answer to an older lease", || {
        let mut bench = Bench::leased();
        bench.run(0, TakeoverGateLeadership { node: node(2), expected_token: Token(1) });
        bench.run(2, lease("a", node(2), START_MS));
        bench.run(2, manager(9, 1, ManagerMode::Assign))
    }),
    refusal("token_out_of_range", "an answer to a lease that was never given", || {
        Bench::leased().run(1, UpdateDcManager { dc_token: Token(2), ..manager(9, 1, ManagerMode::Assign) })
    }),
];

fn manager(id: u8, token: u64, mode: ManagerMode) -> UpdateDcManager {
    UpdateDcManager {
        dc: "a".into(),
        dc_token: Token(1),
        manager: node(id),
        manager_token: Token(token),
        mode,
    }
}

fn assigned() -> Bench {
    let mut bench = Bench::leased();
    bench.run(1, manager(9, 1, ManagerMode::Assign));
    bench
}
