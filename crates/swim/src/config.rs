//! What a detector is started with.

use std::net::SocketAddr;

use muster_wire::{Generation, NodeId};

use crate::frame::KeyRing;
use crate::model::{META_BYTES_MAX, Meta};
use crate::tuning::Profile;

/// How one node takes part.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's own id.
    pub id: NodeId,
    /// This start of its process.
    pub generation: Generation,
    /// The cluster's name; packets of other clusters are dropped.
    pub cluster: String,
    /// Where to listen, UDP and TCP; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `host:port` of nodes to join through; names are resolved at each try. This node may be among them.
    pub seeds: Vec<String>,
    /// What to tell the others. An empty `swim` or its port 0 is filled in from the bound socket.
    pub meta: Meta,
    /// The figures.
    pub profile: Profile,
    /// What packets are sealed with; an empty ring sends and takes plain packets.
    pub keys: KeyRing,
}

/// Why the detector could not start.
#[derive(Debug, thiserror::Error)]
pub enum SwimError {
    /// The socket could not be bound: choose another address or port.
    #[error("cannot listen for membership packets on {listen}")]
    Bind {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The metadata is too long: shorten names or labels.
    #[error("metadata is over the limit of {META_BYTES_MAX} bytes")]
    MetaTooLarge,
}
