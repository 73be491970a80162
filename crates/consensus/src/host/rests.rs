//! Which groups were at rest, beside the log: what a restarted node need not load before it is used.
//!
//! A hint, never trusted on its own: an entry counts only if the group's log still ends where it did when the group fell
//! asleep. A group without one is loaded after a restart.
//!
//! ```text
//!   magic "MRST" | version u16 | crc32 u32 of what follows | rests
//! ```

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use muster_wal::{GroupKey, Wal};
use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 4] = b"MRST";
const VERSION: u16 = 1;
const PREFIX_BYTES: usize = 10;
const FILE: &str = "rests";

/// Where a group's log ends: term, origin, index.
pub(crate) type LogEnd = (u64, u64, u64);

/// One group at rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Rest {
    pub(crate) group: u64,
    pub(crate) incarnation: u32,
    /// Where its log ended when it fell asleep.
    pub(crate) end: LogEnd,
    /// When this replica is to wake by itself, ms since 1970; 0 for never.
    pub(crate) due_ms: u64,
}

/// The file of rests.
pub(crate) struct Rests {
    path: PathBuf,
    found: Mutex<HashMap<GroupKey, Rest>>,
    changed: AtomicBool,
}

impl Rests {
    /// What an earlier run left; nothing if that cannot be read.
    pub(crate) fn open(data_dir: &Path) -> Self {
        let path = data_dir.join(FILE);
        let found = read(&path).inspect_err(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, "which groups were at rest is not known: all are loaded");
            }
        });
        let found = found.unwrap_or_default().into_iter().map(|rest| (key_of(&rest), rest)).collect();
        Self { path, found: Mutex::new(found), changed: AtomicBool::new(false) }
    }

    /// The rest of a group, if it still holds; it is given once.
    pub(crate) fn take(&self, key: GroupKey, wal: &Wal) -> Option<Rest> {
        let rest = self.found.lock().unwrap_or_else(PoisonError::into_inner).remove(&key)?;
        let log = wal.is_known(key).then(|| wal.open_group(key).ok()).flatten()?;
        let end = log.reader().last().map(|id| (id.term, id.origin, id.index));
        (end == Some(rest.end)).then_some(rest)
    }

    /// Something fell asleep, left memory or woke.
    pub(crate) fn note_change(&self) {
        self.changed.store(true, Ordering::Relaxed);
    }

    /// True once after changes.
    pub(crate) fn take_change(&self) -> bool {
        self.changed.swap(false, Ordering::Relaxed)
    }

    /// Where they are kept.
    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }
}

const fn key_of(rest: &Rest) -> GroupKey {
    GroupKey { group: rest.group, incarnation: rest.incarnation }
}

/// Replaces the file. A torn one is told by its checksum, so it is not synced.
pub(crate) fn write(path: &Path, rests: &[Rest]) -> io::Result<()> {
    let body = muster_wire::encode(&rests).map_err(io::Error::other)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(crc32fast::hash(&body).to_le_bytes());
    bytes.extend(body);
    let temporary = path.with_extension("tmp");
    std::fs::write(&temporary, bytes)?;
    std::fs::rename(&temporary, path)
}

fn read(path: &Path) -> io::Result<Vec<Rest>> {
    let bytes = std::fs::read(path)?;
    let (prefix, body) = bytes.split_at_checked(PREFIX_BYTES).ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut expected = MAGIC.to_vec();
    expected.extend(VERSION.to_le_bytes());
    expected.extend(crc32fast::hash(body).to_le_bytes());
    match prefix == expected.as_slice() {
        true => muster_wire::decode(body).map_err(io::Error::other),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum does not hold")),
    }
}

#[cfg(test)]
#[path = "rests_test.rs"]
mod rests_test;
