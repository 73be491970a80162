//! Someone who waits for durability and is told exactly once, whatever happens.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Done, WalError};

/// Owns a callback; dropping it unrun tells the callback that the log is closed.
pub(crate) struct Waiter(Option<Done>);

impl Waiter {
    pub(crate) fn new(done: Option<Done>) -> Self {
        Self(done)
    }

    pub(crate) fn finish(&mut self, result: Result<(), WalError>) {
        self.run(result);
    }

    /// The operation was refused: its callback never runs.
    pub(crate) fn forget(mut self) {
        self.0 = None;
    }

    /// A callback that panics must not take the log of all other groups with it.
    fn run(&mut self, result: Result<(), WalError>) {
        let Some(done) = self.0.take() else { return };
        if catch_unwind(AssertUnwindSafe(|| done(result))).is_err() {
            tracing::error!("a completion callback of the log panicked");
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.run(Err(WalError::Closed));
    }
}
