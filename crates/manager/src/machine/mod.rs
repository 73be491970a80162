//! The managers' state machine of one job: pure, the same on every replica.
//!
//! ```text
//!   table ── tag → name, guards, command        commands/* ── one file a command
//!     │                                              │
//!     └──▶ ManagerJob ── token, leader, tombstone    ▼
//!              └─ JobRecord ── status, tally, context, cancel, stats, nodes
//!                     └─ Workflow ── status, indexes
//!                            └─ ShardRow ── newest attempt, budgets, what comes next
//! ```

mod cancel;
pub mod commands;
mod context;
mod due;
mod graph;
mod history;
mod keeping;
pub mod limits;
mod membership;
mod query;
mod record;
mod remote;
mod shard;
mod state;
mod stats;
mod table;
mod tally;
mod text;
pub mod transition;
mod workers;
mod workflow;

#[cfg(test)]
mod conformance_test;
#[cfg(test)]
mod property_test;
#[cfg(test)]
pub(crate) mod world;

pub use cancel::Cancel;
pub use context::{Context, Updates};
pub use history::Wanted;
pub use membership::{EventRow, NodeEvent, Nodes};
pub use muster_wire::stats::Histogram;
pub use query::OpenAttempt;
pub use record::JobRecord;
pub use remote::Remote;
pub use shard::{AttemptRow, Phase, Progress, ResultRow, ShardRow};
pub use state::{Hold, ManagerJob};
pub use stats::{Stats, WINDOW_MS, Window, WindowRow};
pub use tally::Tally;
pub use text::cut;
pub use workflow::Workflow;
