//! From a configuration to a running node.
//!
//! ```text
//!   Base ── identity ─▶ listeners ─▶ links ─▶ failure detector          (every process)
//!   Node<M> ── Base ─▶ HTTP, not ready ─▶ coordinator: founded or joined ─▶ ready        (gates, managers)
//! ```

mod base;
mod node;

use std::net::SocketAddr;

use muster_consensus::{IdentityError, StartError};
use muster_swim::SwimError;

pub use base::{Base, BootParts, Listeners};
pub use node::Node;

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// An address is taken or not this machine's: choose another `listen` address.
    #[error("cannot listen on {addr} (listen.{what}): {source}")]
    Bind {
        /// `http` or `rpc`.
        what: &'static str,
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The failure detector cannot start.
    #[error(transparent)]
    Swim(#[from] SwimError),
    /// No cluster was founded or joined, or the data directory does not open.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The node was stopped while it started.
    #[error("stopped while starting")]
    Stopped,
}

#[cfg(test)]
mod boot_test;
