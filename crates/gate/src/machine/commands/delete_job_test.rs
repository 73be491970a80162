use super::*;
use crate::machine::fixture::{Bench, Case, refusal, repeat, success};
use muster_wire::Token;
use muster_wire::job::JobStatus;

pub(crate) const CASES: &[Case] = &[
    success("a finished job becomes its tombstone", || {
        let mut bench = Bench::ended();
        let outcome = bench.run(1, delete());
        let retired = bench.job().tombstone.unwrap();
        assert_eq!((retired.status, retired.token), (JobStatus::Failed, Token(1)));
        assert!(bench.job().submission.is_none() && bench.job().events.is_empty());
        outcome
    }),
    repeat("of a deletion", || Bench::purged().run(1, delete())),
    refusal("not_allowed", "a job that has not ended", || Bench::submitted().run(1, delete())),
    refusal("unknown_job", "no job", || Bench::blank().run(0, delete())),
];

fn delete() -> DeleteJob {
    DeleteJob { requester: "ann".into() }
}
