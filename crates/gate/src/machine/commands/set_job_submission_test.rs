use super::*;
use crate::machine::commands::SetJob;
use crate::machine::fixture::{Bench, Case, bundle, digest, refusal, repeat, spec, success};
use muster_machine::Machine as _;
use muster_wire::spec::Require;

pub(crate) const CASES: &[Case] = &[
    success("is kept with its digest and key", || {
        let mut bench = Bench::blank();
        bench.run(0, SetJob::creation());
        let outcome = bench.run(0, submission(1));
        assert_eq!(bench.job().submission.as_ref().unwrap().digest, digest(1));
        outcome
    }),
    repeat("of the same digest", || Bench::submitted().run(0, submission(1))),
    refusal("conflict", "another digest", || Bench::submitted().run(0, submission(2))),
];

fn submission(byte: u8) -> SetJobSubmission {
    SetJobSubmission { spec: spec(Require::All), digest: digest(byte), key: None }
}

#[test]
fn the_bundle_is_idempotent_by_its_content() {
    let mut bench = Bench::submitted();
    let before = bench.job().encode().unwrap();
    let reply = bench.entry(bundle(bench.job_id(), spec(Require::All)));
    assert!(reply.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Noop(_))), "{reply:?}");
    assert_eq!(bench.job().encode().unwrap(), before);
}
