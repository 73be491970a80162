use super::*;
use crate::machine::commands::{ManagerMode, UpdateDcManager};
use crate::machine::fixture::{Bench, Case, node, repeat, success};
use muster_wire::Token;

pub(crate) const CASES: &[Case] = &[
    success("all are dropped", || {
        let mut bench = assigned();
        let outcome = bench.run(1, ReleaseDcManagers {});
        assert!(bench.job().dcs.values().all(|dc| dc.manager.is_none()));
        outcome
    }),
    repeat("of a release", || {
        let mut bench = assigned();
        bench.run(1, ReleaseDcManagers {});
        bench.run(1, ReleaseDcManagers {})
    }),
];

fn assigned() -> Bench {
    let mut bench = Bench::leased();
    let (dc, manager, manager_token) = ("a".to_owned(), node(9), Token(1));
    bench.run(
        1,
        UpdateDcManager { dc, dc_token: Token(1), manager, manager_token, mode: ManagerMode::Assign },
    );
    bench
}
