//! The directory group, as everybody on this node uses it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use muster_machine::{Entry, EntryReply};
use muster_wire::{JobId, RaftId};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::directory::Directory;
use crate::error::ProposeError;
use crate::raft::group::Group;
use crate::raft::write::Written;
use crate::status::{GroupStatus, View};

/// The job id that the directory's own entries and calls carry.
pub(crate) const DIRECTORY_JOB: JobId = JobId(0);

/// The directory group of this node. Cheap to clone.
#[derive(Clone)]
pub struct DirectoryHandle {
    group: Arc<Group<Directory>>,
}

impl DirectoryHandle {
    pub(crate) fn new(group: Arc<Group<Directory>>) -> Self {
        Self { group }
    }

    pub(crate) fn group(&self) -> &Arc<Group<Directory>> {
        &self.group
    }

    fn deadline(&self, within: Duration) -> Instant {
        self.group.clock.now() + within
    }

    /// Every change, as applied here.
    pub fn watch(&self) -> watch::Receiver<View<Directory>> {
        self.group.views.clone()
    }

    /// The state as applied here.
    pub fn view(&self) -> View<Directory> {
        self.group.view()
    }

    /// The group as this node sees it.
    pub fn status(&self) -> GroupStatus {
        self.group.status()
    }

    /// Does this node's replica lead? A level, not a promise.
    pub fn is_leader(&self) -> bool {
        self.group.is_leader()
    }

    /// Proposes at the leader, wherever it is; the entry is applied here when this returns.
    pub async fn propose(&self, entry: Entry, within: Duration) -> Result<EntryReply, ProposeError> {
        let deadline = self.deadline(within);
        let written = self.write(&entry, deadline).await?;
        let seen = self.group.view_at(written.index, deadline).await;
        seen.map(|_| written.reply).map_err(|_| ProposeError::Unknown)
    }

    /// Like [`DirectoryHandle::propose`], with the entry's log index; the entry may not be applied here yet.
    pub(crate) async fn write(&self, entry: &Entry, deadline: Instant) -> Result<Written, ProposeError> {
        self.group.propose(&encoded(entry)?, deadline).await
    }

    /// Proposes only if this node's replica leads.
    pub async fn propose_here(&self, entry: Entry, within: Duration) -> Result<EntryReply, ProposeError> {
        let written = self.group.write(encoded(&entry)?, self.deadline(within)).await?;
        Ok(written.reply)
    }

    /// The state with everything that was acknowledged before this call.
    pub async fn read(&self, within: Duration) -> Result<Arc<Directory>, ProposeError> {
        let view = self.group.up_to_date(self.deadline(within)).await?;
        Ok(view.state)
    }

    /// Voters and learners of the group.
    pub fn membership(&self) -> (BTreeSet<RaftId>, BTreeSet<RaftId>) {
        self.group.membership()
    }

    /// Adds a replica that does not vote; only at the leader. Does not wait until it is filled.
    pub async fn add_learner(&self, id: RaftId, within: Duration) -> Result<(), ProposeError> {
        self.group.add_learner(id, self.deadline(within)).await
    }

    /// Makes exactly these replicas voters; only at the leader. Former voters stay as learners.
    pub async fn set_voters(&self, voters: BTreeSet<RaftId>, within: Duration) -> Result<(), ProposeError> {
        self.group.set_voters(&voters, self.deadline(within)).await
    }

    /// Removes a replica; only at the leader.
    pub async fn remove(&self, id: RaftId, within: Duration) -> Result<(), ProposeError> {
        self.group.remove(id, self.deadline(within)).await
    }
}

/// An entry's bytes, within its bound.
pub(crate) fn encoded(entry: &Entry) -> Result<Bytes, ProposeError> {
    entry.encode().map(Bytes::from).map_err(refused)
}

fn refused(error: muster_machine::entry::EntryError) -> ProposeError {
    match error {
        muster_machine::entry::EntryError::TooLarge(_) => ProposeError::TooLarge,
        muster_machine::entry::EntryError::Codec(error) => ProposeError::Fatal(error.to_string()),
    }
}
