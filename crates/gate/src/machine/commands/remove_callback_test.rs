use super::*;
use crate::machine::commands::SetCallback;
use crate::machine::fixture::{Bench, Case, repeat, success};

pub(crate) const CASES: &[Case] = &[
    success("why it was given up is kept in the events", || {
        let mut bench = Bench::submitted();
        bench.run(0, SetCallback { url: "http://x".into(), kinds: vec![], secret: vec![], from_version: 0 });
        let outcome = bench.run(0, remove());
        let last = bench.job().events.last().unwrap();
        assert!(matches!(&last.what, What::Status { reason } if reason.contains("410 gone")));
        outcome
    }),
    repeat("of a removal", || Bench::submitted().run(0, remove())),
];

fn remove() -> RemoveCallback {
    RemoveCallback { url: "http://x".into(), delivered_through: 1, gave_up: Some("410 gone".into()) }
}
