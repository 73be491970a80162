//! Gates: accept jobs from clients, hand them to datacenters, and answer for them.
//!
//! ```text
//!   http/ ──▶ admission ──▶ submit ──▶ ┌────────────────────────────┐ ◀── service ◀── managers
//!     ▲                                │ coordinator: one group per │        (report)
//!     └── present ◀── views ◀───────── │ job, machine/ its state    │
//!                                      └────────────────────────────┘ ◀── reconcile/ ──▶ ask ──▶ datacenters (dc)
//! ```

pub mod admission;
pub mod ask;
pub mod config;
pub mod dc;
pub mod follow;
pub mod gate;
mod gauges;
mod handover;
pub mod http;
pub mod machine;
pub mod numbers;
pub mod present;
pub mod progress;
mod purge;
pub mod reconcile;
pub mod report;
mod run;
pub mod service;
pub mod submit;
mod webhook;

pub use config::{GateConfig, Rate};
pub use gate::{Gate, GateParts};
pub use run::{GateNode, main_with, run};

#[cfg(test)]
mod api_test;
#[cfg(test)]
mod callback_test;
#[cfg(test)]
mod failover_test;
#[cfg(test)]
mod gate_test;
#[cfg(test)]
mod testkit;
