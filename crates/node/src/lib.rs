//! What every process of muster shares: configuration, logs and metrics, the HTTP server, the composition of a node, and
//! the driver of reconcilers.
//!
//! ```text
//!   process ── flags, signals, exit codes
//!      └─ config ──▶ boot ── identity, links, failure detector, coordinator
//!                      ├─ http ── server kit ◀── routes ◀── facts
//!                      ├─ operate ── drain, transfer, snapshot, remove
//!                      ├─ driver ── reconcilers of the jobs led here
//!                      └─ telemetry
//! ```

// A process has real sockets and all of its safety mechanisms: other builds are for the simulation.
const _: () = assert!(!muster_runtime::net::IS_SIMULATED, "the feature `sim` is on");
const _: () = assert!(!muster_runtime::sabotage::CAN_SABOTAGE, "the feature `sabotage` is on");

pub mod boot;
pub mod config;
pub mod driver;
pub mod facts;
pub mod http;
pub mod openapi;
mod operate;
pub mod process;
mod process_metrics;
pub mod routes;
pub mod telemetry;

pub use boot::{Base, BootError, BootParts, Listeners, Node};
pub use config::Config;

#[cfg(test)]
mod testkit;
