//! Who this node is.
use muster_wire::{ClusterId, Generation, MemberNumber, NodeId};
/// Who this node is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The node's own id.
    pub node: NodeId,
    /// This process start.
    pub generation: Generation,
    /// Its cluster.
    pub cluster: Option<ClusterId>,
    /// Its number there.
    pub member: MemberNumber,
}
/// Why the identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {}
