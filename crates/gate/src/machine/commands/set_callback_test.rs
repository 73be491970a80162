use super::*;
use crate::machine::fixture::{Bench, Case, refusal, repeat, success};

pub(crate) const CASES: &[Case] = &[
    success("adds one", || Bench::submitted().run(0, callback("https://x/1", 0))),
    success("its position only moves up", || {
        let mut bench = Bench::submitted();
        bench.run(0, callback("https://x/1", 5));
        let outcome = bench.run(0, callback("https://x/1", 7));
        bench.run(0, callback("https://x/1", 6));
        assert_eq!(bench.job().callbacks["https://x/1"].delivered, 7);
        outcome
    }),
    success("a delivery moves the position and nothing else", || {
        let mut bench = Bench::submitted();
        bench.run(0, callback("https://x/1", 0));
        let delivered =
            SetCallback { secret: vec![], change: CallbackChange::Move, ..callback("https://x/1", 2) };
        let outcome = bench.run(0, delivered);
        let known = &bench.job().callbacks["https://x/1"];
        assert_eq!((known.delivered, known.secret.as_slice()), (2, [1].as_slice()));
        outcome
    }),
    repeat("a delivery to one that was removed does not bring it back", || {
        let delivered = SetCallback { change: CallbackChange::Move, ..callback("https://x/1", 2) };
        Bench::submitted().run(0, delivered)
    }),
    repeat("of the same", || {
        let mut bench = Bench::submitted();
        bench.run(0, callback("https://x/1", 5));
        bench.run(0, callback("https://x/1", 3))
    }),
    refusal("limit_reached", "one too many", || {
        let mut bench = Bench::submitted();
        (0..CALLBACKS_MAX).for_each(|n| _ = bench.run(0, callback(&format!("https://x/{n}"), 0)));
        bench.run(0, callback("https://x/more", 0))
    }),
    refusal("malformed", "not http", || Bench::submitted().run(0, callback("file:///etc", 0))),
];

fn callback(url: &str, from_version: u64) -> SetCallback {
    SetCallback {
        url: url.into(),
        kinds: vec![],
        secret: vec![1],
        from_version,
        change: CallbackChange::Define,
    }
}
