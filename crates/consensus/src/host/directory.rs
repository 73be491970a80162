//! The directory group, as its own reconciler uses it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use muster_machine::{Entry, EntryReply};
use muster_wire::RaftId;
use tokio::sync::watch;

use crate::directory::Directory;
use crate::error::ProposeError;
use crate::status::{GroupStatus, View};

/// The directory group of this node. Cheap to clone.
#[derive(Clone)]
pub struct DirectoryHandle {
    view: watch::Receiver<View<Directory>>,
    status: Arc<dyn Fn() -> GroupStatus + Send + Sync>,
}

#[allow(unused_variables, missing_docs, clippy::unused_async, reason = "shape only")]
impl DirectoryHandle {
    pub fn watch(&self) -> watch::Receiver<View<Directory>> {
        self.view.clone()
    }
    pub fn status(&self) -> GroupStatus {
        (self.status)()
    }
    pub fn is_leader(&self) -> bool {
        self.status().role == "leader"
    }
    pub async fn propose(&self, entry: Entry, within: Duration) -> Result<EntryReply, ProposeError> {
        Err(ProposeError::NotServing)
    }
    pub async fn propose_here(&self, entry: Entry, within: Duration) -> Result<EntryReply, ProposeError> {
        Err(ProposeError::NotServing)
    }
    pub async fn read(&self, within: Duration) -> Result<Arc<Directory>, ProposeError> {
        Err(ProposeError::NotServing)
    }
    pub fn membership(&self) -> (BTreeSet<RaftId>, BTreeSet<RaftId>) {
        (BTreeSet::new(), BTreeSet::new())
    }
    pub async fn add_learner(&self, id: RaftId, within: Duration) -> Result<(), ProposeError> {
        Err(ProposeError::NotServing)
    }
    pub async fn set_voters(&self, voters: BTreeSet<RaftId>, within: Duration) -> Result<(), ProposeError> {
        Err(ProposeError::NotServing)
    }
    pub async fn remove(&self, id: RaftId, within: Duration) -> Result<(), ProposeError> {
        Err(ProposeError::NotServing)
    }
}
