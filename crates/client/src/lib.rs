//! A typed client of muster's HTTP API: several gates with failover, retries that are safe because every submission
//! carries an idempotency key, and event streams that go on where they broke off.
//!
//! ```text
//!   Client ── request ──▶ gate 1 ──✗──▶ gate 2 …      retried: refused connections, 429, 503
//!     └── EventStream ── Last-Event-ID ──▶ any gate   no gap, no repeat
//! ```

mod client;
mod error;
mod events;
mod jobs;
mod member_events;
mod nodes;
mod parts;

pub use client::{Client, ClientOptions};
pub use error::ClientError;
pub use events::EventStream;
pub use jobs::{ListQuery, LogQuery, Submission};
pub use member_events::MemberEvents;
pub use nodes::DrainWord;
pub use parts::{ContextPlace, StatsQuery};

#[cfg(test)]
mod events_test;
