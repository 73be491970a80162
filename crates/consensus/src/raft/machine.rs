//! A machine's replica behind Raft: applies entries, publishes views, builds and installs snapshots.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use muster_machine::{Entry as MachineEntry, Machine, Replica};
use muster_runtime::is_sabotaged;
use muster_wire::RequestId;
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use tokio::sync::watch;

use super::snapshot::{self, SnapshotFiles};
use super::types::{
    Applied, Command, Entry, LogId, Payload, Snapshot, SnapshotBytes, SnapshotMeta, StoredMembership, Types,
};
use crate::status::View;

/// One replica's state machine.
pub(crate) struct StateMachine<M: Machine> {
    replica: Replica<M>,
    applied: Option<LogId>,
    membership: StoredMembership,
    view: watch::Sender<View<M>>,
    files: SnapshotFiles,
}

impl<M: Machine> StateMachine<M> {
    /// The state of the snapshot that was found, or `born`.
    pub(crate) fn open(
        born: Replica<M>,
        files: SnapshotFiles,
        found: Option<Snapshot>,
    ) -> Result<(Self, watch::Receiver<View<M>>), io::Error> {
        let (view, views) = watch::channel(view_of(&born, None));
        let membership = StoredMembership::default();
        let mut machine = Self { replica: born, applied: None, membership, view, files };
        if let Some(found) = found {
            machine.adopt(&found.meta, &found.snapshot)?;
        }
        Ok((machine, views))
    }

    fn adopt(&mut self, meta: &SnapshotMeta, bytes: &SnapshotBytes) -> Result<(), io::Error> {
        self.replica = Replica::restore(&bytes.0).map_err(io::Error::other)?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        self.view.send_replace(view_of(&self.replica, self.applied));
    }

    fn apply_one(&mut self, entry: Entry) -> Result<Applied, io::Error> {
        let (at, payload) = (entry.log_id, entry.payload);
        let reply = match payload {
            Payload::Blank => Applied(None),
            Payload::Normal(command) => self.apply_command(at.index, &command)?,
            Payload::Membership(members) => self.take_membership(StoredMembership::new(Some(at), members)),
        };
        self.applied = Some(at);
        self.publish();
        Ok(reply)
    }

    fn take_membership(&mut self, membership: StoredMembership) -> Applied {
        self.membership = membership;
        Applied(None)
    }

    /// A panic in a machine stops this replica, not the process.
    fn apply_command(&mut self, index: u64, command: &Command) -> Result<Applied, io::Error> {
        let replica = AssertUnwindSafe(&mut self.replica);
        let outcome = catch_unwind(move || {
            let AssertUnwindSafe(replica) = { replica };
            let entry = recognised(&fenced(&command.entry(), replica));
            replica.apply(index, &entry)
        });
        match outcome {
            Ok(reply) => Ok(Applied(Some(reply.map_err(io::Error::other)?))),
            Err(_) => Err(io::Error::other(format!("the machine panicked at entry {index}"))),
        }
    }
}

/// The entry with its request id, by which a repeat is recognised.
fn recognised(entry: &Bytes) -> Bytes {
    match is_sabotaged("request-dedup") {
        true => changed(entry, |entry| entry.for_request(RequestId::INTERNAL)),
        false => entry.clone(),
    }
}

/// The entry with the token that its proposer was given, by which one who was replaced is refused.
fn fenced<M: Machine>(entry: &Bytes, replica: &Replica<M>) -> Bytes {
    match is_sabotaged("fencing-token") {
        true => changed(entry, |entry| MachineEntry { token: replica.machine().token(), ..entry }),
        false => entry.clone(),
    }
}

fn changed(entry: &Bytes, change: impl FnOnce(MachineEntry) -> MachineEntry) -> Bytes {
    let encoded = MachineEntry::decode(entry).ok().and_then(|entry| change(entry).encode().ok());
    encoded.map_or_else(|| entry.clone(), Bytes::from)
}

fn view_of<M: Machine>(replica: &Replica<M>, applied: Option<LogId>) -> View<M> {
    View {
        state: Arc::new(replica.machine().clone()),
        applied: applied.map_or(0, |at| at.index),
        term: applied.map_or(0, |at| at.leader_id.term),
        at_ms: replica.at_ms(),
        age: Duration::ZERO,
    }
}

impl<M: Machine> RaftStateMachine<Types> for StateMachine<M> {
    type SnapshotData = SnapshotBytes;
    type SnapshotBuilder = Builder<M>;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let reply = self.apply_one(entry)?;
            if let Some(responder) = responder {
                responder.send(reply);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder<M> {
        let meta = snapshot::meta(self.applied, self.membership.clone());
        Builder { replica: self.replica.clone(), meta, files: self.files.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, bytes: SnapshotBytes) -> Result<(), io::Error> {
        if !is_sabotaged("install-saved") {
            self.files.save(Snapshot { meta: meta.clone(), snapshot: bytes.clone() }).await?;
        }
        self.adopt(meta, &bytes)
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        self.files.load().await
    }
}

/// Builds one snapshot from an O(1) clone of the replica, beside the applies that follow.
pub(crate) struct Builder<M: Machine> {
    replica: Replica<M>,
    meta: SnapshotMeta,
    files: SnapshotFiles,
}

impl<M: Machine> RaftSnapshotBuilder<Types> for Builder<M> {
    type SnapshotData = SnapshotBytes;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let replica = self.replica.clone();
        let bytes = self.files.blocking(move || replica.encode().map_err(io::Error::other)).await?;
        let built = Snapshot { meta: self.meta.clone(), snapshot: SnapshotBytes(Bytes::from(bytes)) };
        self.files.save(built.clone()).await?;
        Ok(built)
    }
}
