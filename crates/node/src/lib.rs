//! What every process of muster shares: configuration, telemetry, the HTTP server, the composition of a node, and the
//! driver of reconcilers.

pub mod config;
pub mod driver;
pub mod http;
