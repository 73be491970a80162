//! Snapshot files of one group: durable before they are reported, only the newest is kept.
//!
//! ```text
//!   magic "MSNP" | version u16 | header length u32 | crc32 u32 of all that follows | header | state
//! ```

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use muster_runtime::{TaskKind, TaskScope, is_sabotaged};
use muster_wal::{Disk, GroupKey, Wal};
use muster_wire::rpc::raft::{LogIdAt, StoredMembers};
use openraft::SnapshotMeta as Meta;
use serde::{Deserialize, Serialize};

use super::convert;
use super::types::{LogId, Snapshot, SnapshotBytes, SnapshotMeta};
use crate::storage::Storage;

const MAGIC: &[u8; 4] = b"MSNP";
const VERSION: u16 = 1;
const PREFIX_BYTES: usize = 14;
const EXTENSION: &str = "snap";
const FILES: TaskKind = TaskKind::new("snapshot_files");

#[derive(Serialize, Deserialize)]
struct Header {
    last: Option<LogIdAt>,
    membership: StoredMembers,
}

/// Where a group's snapshots are kept. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SnapshotFiles {
    folder: Folder,
    scope: TaskScope,
    /// Where each snapshot is noted, so that a missing one is missed.
    log: Option<(Wal, GroupKey)>,
}

/// What of a replica is known to be in a snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Covered {
    /// The snapshot that was noted last ends here.
    pub(crate) noted: Option<u64>,
    /// The log begins behind this.
    pub(crate) purged: Option<u64>,
}

/// Why a replica's snapshot could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// It is not what was written, or not there: the replica can never be used again.
    #[error("it is lost: {0}")]
    Lost(&'static str),
    /// It could not be read now.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The folder itself.
#[derive(Clone)]
struct Folder {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
}

impl SnapshotFiles {
    pub(crate) fn new(storage: Arc<dyn Storage>, dir: PathBuf, scope: TaskScope) -> Self {
        Self { folder: Folder { storage, dir }, scope, log: None }
    }

    /// Each snapshot is noted in the log.
    pub(crate) fn noted_in(self, wal: &Wal, key: GroupKey) -> Self {
        Self { log: Some((wal.clone(), key)), ..self }
    }

    /// Like [`SnapshotFiles::load`], but what must be there is not missed silently: a replica without the state that its
    /// log was purged for would begin anew under a name that has voted. What the log still holds is only missed aloud.
    pub(crate) async fn load_covering(&self, covered: Covered) -> Result<Option<Snapshot>, LoadError> {
        let found = self.load_or_replay(covered).await?;
        let reaches = found.as_ref().and_then(|found| found.meta.last_log_id.as_ref()).map(|last| last.index);
        if reaches < covered.purged {
            return Err(LoadError::Lost("its snapshot is missing"));
        }
        if reaches < covered.noted {
            let dir = self.folder.dir.display();
            tracing::warn!(%dir, ?reaches, noted = ?covered.noted, "a snapshot is missing: what it held is read from the log");
        }
        Ok(found)
    }

    /// A damaged snapshot is not needed while the log begins at its beginning.
    async fn load_or_replay(&self, covered: Covered) -> Result<Option<Snapshot>, LoadError> {
        let error = match self.load().await {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => error,
            other => return Ok(other?),
        };
        tracing::error!(%error, dir = %self.folder.dir.display(), "a snapshot is damaged");
        if covered.purged.is_some() {
            return Err(LoadError::Lost("its snapshot is damaged"));
        }
        self.remove().await?;
        Ok(None)
    }

    /// The newest snapshot; `None` when there is none.
    pub(crate) async fn load(&self) -> Result<Option<Snapshot>, io::Error> {
        let folder = self.folder.clone();
        self.blocking(move || folder.load()).await
    }

    /// Durable when it returns; older snapshots are deleted.
    pub(crate) async fn save(&self, snapshot: Snapshot) -> Result<(), io::Error> {
        let (folder, last) = (self.folder.clone(), snapshot.meta.last_log_id);
        self.blocking(move || folder.save(&snapshot)).await?;
        self.note(last.as_ref())
    }

    fn note(&self, last: Option<&LogId>) -> Result<(), io::Error> {
        let (Some((wal, key)), Some(last)) = (&self.log, last) else { return Ok(()) };
        let snapshot = muster_wal::Snapshot { id: convert::wal_log_id(last), meta: Bytes::new() };
        wal.note_snapshot(*key, snapshot).map_err(io::Error::other)
    }

    /// Deletes all of the group's snapshots.
    pub(crate) async fn remove(&self) -> Result<(), io::Error> {
        let folder = self.folder.clone();
        self.blocking(move || folder.storage.remove(&folder.dir)).await
    }

    /// Runs blocking work of this group on the blocking pool.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, io::Error> + Send + 'static,
    ) -> Result<T, io::Error> {
        let done = self.scope.spawn_blocking(FILES, work).await;
        done.unwrap_or_else(|| Err(io::Error::other("the work on a snapshot file panicked")))
    }
}

impl Folder {
    fn files(&self) -> Arc<dyn Disk> {
        self.storage.files(&self.dir)
    }

    fn load(&self) -> Result<Option<Snapshot>, io::Error> {
        let files = self.files();
        let Some(newest) = names(&*files)?.pop() else { return Ok(None) };
        let mut bytes = Vec::new();
        files.read(&newest, &mut bytes)?;
        decode(&Bytes::from(bytes)).map(Some)
    }

    fn save(&self, snapshot: &Snapshot) -> Result<(), io::Error> {
        self.storage.make(&self.dir)?;
        let files = self.files();
        let index = snapshot.meta.last_log_id.as_ref().map_or(0, |last| last.index);
        let (name, temporary) = (format!("{index:020}.{EXTENSION}"), format!("{index:020}.tmp"));
        write_durably(&*files, &temporary, &encode(snapshot)?)?;
        files.rename(&temporary, &name)?;
        files.sync_dir()?;
        names(&*files)?.iter().filter(|older| **older < name).try_for_each(|older| files.remove(older))
    }
}

/// Snapshot files, oldest first: names are zero-padded indexes.
fn names(files: &dyn Disk) -> Result<Vec<String>, io::Error> {
    let mut found = match files.list() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    found.retain(|name| name.rsplit_once('.').is_some_and(|(_, extension)| extension == EXTENSION));
    found.sort();
    Ok(found)
}

fn write_durably(files: &dyn Disk, name: &str, parts: &[Vec<u8>]) -> Result<(), io::Error> {
    let mut file = files.create(name)?;
    let mut at = 0;
    for part in parts {
        file.write_at(at, part)?;
        at += part.len() as u64;
    }
    match is_sabotaged("snapshot-durable") {
        true => Ok(()),
        false => file.sync(),
    }
}

fn encode(snapshot: &Snapshot) -> Result<Vec<Vec<u8>>, io::Error> {
    let last = snapshot.meta.last_log_id.as_ref().map(convert::wire_log_id);
    let membership = convert::wire_stored(&snapshot.meta.last_membership);
    let header = muster_wire::encode(&Header { last, membership }).map_err(io::Error::other)?;
    let state = snapshot.snapshot.0.to_vec();
    let mut crc = crc32fast::Hasher::new();
    crc.update(&header);
    crc.update(&state);
    let mut prefix = MAGIC.to_vec();
    prefix.extend(VERSION.to_le_bytes());
    prefix.extend(u32::try_from(header.len()).map_err(io::Error::other)?.to_le_bytes());
    prefix.extend(crc.finalize().to_le_bytes());
    Ok(vec![prefix, header, state])
}

fn decode(bytes: &Bytes) -> Result<Snapshot, io::Error> {
    let (header_length, crc) = prefix(bytes)?;
    let rest = bytes.slice(PREFIX_BYTES..);
    if crc32fast::hash(&rest) != crc || rest.len() < header_length {
        return Err(corrupt("its checksum does not hold"));
    }
    let header: Header = muster_wire::decode(&rest[..header_length]).map_err(io::Error::other)?;
    let meta = SnapshotMeta {
        last_log_id: header.last.as_ref().map(convert::log_id),
        last_membership: convert::stored(&header.membership),
    };
    Ok(Snapshot { meta, snapshot: SnapshotBytes(rest.slice(header_length..)) })
}

fn prefix(bytes: &[u8]) -> Result<(usize, u32), io::Error> {
    let found = bytes.first_chunk::<PREFIX_BYTES>().ok_or_else(|| corrupt("it is too short"))?;
    let [m0, m1, m2, m3, v0, v1, l0, l1, l2, l3, c0, c1, c2, c3] = *found;
    if [m0, m1, m2, m3] != *MAGIC {
        return Err(corrupt("it is not a snapshot"));
    }
    if u16::from_le_bytes([v0, v1]) != VERSION {
        return Err(corrupt("its version is not known"));
    }
    Ok((u32::from_le_bytes([l0, l1, l2, l3]) as usize, u32::from_le_bytes([c0, c1, c2, c3])))
}

fn corrupt(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a snapshot file cannot be used: {what}"))
}

/// What a snapshot covers.
pub(crate) fn meta(
    last: Option<super::types::LogId>,
    membership: super::types::StoredMembership,
) -> SnapshotMeta {
    Meta { last_log_id: last, last_membership: membership }
}

#[cfg(test)]
#[path = "snapshot_test.rs"]
mod snapshot_test;
