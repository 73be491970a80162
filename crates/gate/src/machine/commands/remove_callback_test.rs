use super::*;
use crate::machine::commands::{CallbackChange, SetCallback};
use crate::machine::fixture::{Bench, Case, repeat, success};

pub(crate) const CASES: &[Case] = &[
    success("why it was given up is kept in the events", || {
        let mut bench = Bench::submitted();
        bench.run(0, callback());
        let outcome = bench.run(0, remove());
        let last = bench.job().events.last().unwrap();
        assert!(matches!(&last.what, What::Status { reason } if reason.contains("410 gone")));
        assert_eq!(bench.job().dropped_callbacks[0].gave_up.as_deref(), Some("410 gone"));
        outcome
    }),
    repeat("of a removal", || Bench::submitted().run(0, remove())),
];

fn callback() -> SetCallback {
    let (url, kinds, secret) = ("http://x".into(), vec![], vec![]);
    SetCallback { url, kinds, secret, from_version: 0, change: CallbackChange::Define }
}

fn remove() -> RemoveCallback {
    RemoveCallback { url: "http://x".into(), delivered_through: 1, gave_up: Some("410 gone".into()) }
}
