//! Black-box tests of whole clusters: real processes, real sockets on loopback, real files.
//!
//! A [`Cluster`] gives every node an address of its own in 127.0.0.0/8, so that ports never collide and a restarted node
//! comes back where it was. Everything it starts it kills when dropped.

pub mod bench;
pub mod cluster;
pub mod config;
pub mod metrics;
mod plan;
pub mod process;
pub mod soak;
pub mod wait;

pub use cluster::{Cluster, Topology};
pub use process::Process;
pub use wait::eventually;
