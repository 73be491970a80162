//! From a configuration to a running node.
//!
//! ```text
//!   Base ── identity ─▶ listeners ─▶ links ─▶ failure detector          (every process)
//!   Node<M> ── Base ─▶ HTTP, not ready ─▶ coordinator: founded or joined ─▶ ready        (gates, managers)
//! ```

mod base;
mod membership;
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
    /// The file of the membership keys cannot be read.
    #[error("cannot read the membership keys in {path} (security.swim_keys): {source}")]
    KeyFile {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file of the membership keys does not hold keys.
    #[error("{path} (security.swim_keys): {source}")]
    Keys {
        /// The file.
        path: std::path::PathBuf,
        /// Which line is wrong.
        source: muster_swim::KeyRingError,
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
