//! What every muster process is made of: tasks that belong to a scope, one clock, one source of randomness, back-off,
//! sockets.
//!
//! ```text
//!   TaskScope ── counts, cancels and waits for every task        Clock ── wall time and monotonic time
//!   Backoff ── jittered, bounded retry delays                    random ── the only place that draws
//!   net ── sockets: the system's, or simulated ones               Meter ── metrics of hot paths
//!   rest ── between rounds, so that an idle process sleeps
//! ```

pub mod backoff;
pub mod clock;
pub mod crash;
pub mod meter;
pub mod net;
pub mod random;
pub mod rounds;
pub mod sabotage;
pub mod task;

pub use backoff::Backoff;
pub use clock::Clock;
pub use crash::crash_point;
pub use meter::Meter;
pub use rounds::rest;
pub use sabotage::is_sabotaged;
pub use task::{TaskKind, TaskScope};
pub use tokio_util::sync::CancellationToken;
