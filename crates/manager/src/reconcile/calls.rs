//! Calls to many workers at a time, a bounded number of them.

use std::future::Future;

use futures_util::future::join_all;

/// Calls of one job under way at the same time.
const AT_A_TIME: usize = 64;

/// Awaits all, in order, at most [`AT_A_TIME`] at a time.
pub(super) async fn in_waves<F: Future>(calls: Vec<F>) -> Vec<F::Output> {
    let mut calls = calls.into_iter();
    let mut answers = Vec::new();
    loop {
        let wave: Vec<F> = calls.by_ref().take(AT_A_TIME).collect();
        if wave.is_empty() {
            return answers;
        }
        answers.extend(join_all(wave).await);
    }
}
