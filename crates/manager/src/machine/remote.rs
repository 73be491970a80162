//! Who leads the job elsewhere: at the gates, or at the managers of a sibling datacenter.

use muster_wire::{NodeRef, Token};
use serde::{Deserialize, Serialize};

/// The newest leader known of another place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Remote {
    /// Who.
    pub leader: NodeRef,
    /// Its token for the job there.
    pub remote_token: Token,
    /// The token of this datacenter's lease.
    pub dc_token: Token,
}

impl Remote {
    /// What orders two of them.
    pub const fn rank(&self) -> (Token, Token) {
        (self.remote_token, self.dc_token)
    }
}
