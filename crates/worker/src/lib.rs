//! Workers: run shards as processes for the managers of their datacenter. A worker is the authority on its cores and
//! holds no replicated state; what it owes survives its manager and its own restart.
//!
//! ```text
//!   managers ── reserve, start, stop, adopt, forget, log ──▶ shell ◀──▶ core: cores, reservations, tokens, attempts
//!      ▲                                                      │  │
//!      └────────── progress, results (store: on disk) ────────┘  └──▶ process: one group per attempt
//! ```

pub mod config;
pub mod core;
mod http;
mod process;
mod run;
mod shell;
mod store;
mod watchdog;
mod worker;

pub use config::WorkerConfig;
pub use run::{WorkerError, WorkerNode, main_with, run};
