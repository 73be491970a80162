//! What links tell about peers: evidence for whoever decides.

use std::sync::Arc;

use muster_wire::hello::Hello;

/// Something happened to a link that this node dialled.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// The link is up, or its peer has told something new about itself. A peer that was restarted shows a higher
    /// generation.
    Up {
        /// The dialled address.
        addr: String,
        /// Who answers there.
        peer: Arc<Hello>,
    },
    /// The link was lost; a kept one is dialled again at once.
    Down {
        /// The dialled address.
        addr: String,
        /// Who was there.
        peer: Arc<Hello>,
        /// How it was lost.
        cause: DownCause,
    },
    /// A dial was refused: nobody listens at the address.
    Refused {
        /// The dialled address.
        addr: String,
        /// Who was there when it was last up.
        peer: Option<Arc<Hello>>,
    },
}

/// How a link was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DownCause {
    /// Reset by the other side or the network, or bytes that are not frames.
    Reset,
    /// Closed by the other side: what the system does for a process that ends or is killed.
    Closed,
    /// Pings were not answered.
    Silent,
}

impl DownCause {
    /// The word used in logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Silent => "silent",
        }
    }
}
