//! Who may talk to this node.

use muster_wire::hello::{Hello, HelloRefusal, PROTOCOL};

/// Judges the other end of a link, after cluster name and protocol were found equal.
pub trait Gatekeeper: Send + Sync + 'static {
    /// Called when a peer dials this node, and for the answer when this node dials one. Must not block.
    fn check(&self, theirs: &Hello) -> Result<(), HelloRefusal>;
}

/// Lets everybody in: the gatekeeper until another one is set.
pub(crate) struct Open;

impl Gatekeeper for Open {
    fn check(&self, _theirs: &Hello) -> Result<(), HelloRefusal> {
        Ok(())
    }
}

/// What every link needs: the same installation, and a protocol at most one version away.
pub(crate) fn check_installation(ours: &Hello, theirs: &Hello) -> Result<(), HelloRefusal> {
    if ours.cluster_name != theirs.cluster_name {
        let (here, theirs) = (ours.cluster_name.clone(), theirs.cluster_name.clone());
        return Err(HelloRefusal::ClusterName { here, theirs });
    }
    match theirs.protocol.abs_diff(PROTOCOL) {
        0 | 1 => Ok(()),
        _ => Err(HelloRefusal::Protocol { here: PROTOCOL, theirs: theirs.protocol }),
    }
}
