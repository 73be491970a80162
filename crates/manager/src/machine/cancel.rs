//! A committed cancel: what it blocks and what is still pending.

use imbl::OrdSet;
use muster_wire::job::{AttemptKey, CancelOrder};
use serde::{Deserialize, Serialize};

/// A cancel that is not complete.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cancel {
    /// As ordered; a wider order replaces a narrower one.
    pub order: CancelOrder,
    /// Attempts that were open when it was committed and have not ended.
    pub pending: OrdSet<AttemptKey>,
}

impl Cancel {
    /// Is its deadline over?
    pub const fn is_overdue(&self, at_ms: u64) -> bool {
        at_ms >= self.order.deadline_ms
    }
}
