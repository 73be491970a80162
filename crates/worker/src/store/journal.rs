//! A file of changes, appended one after the other: a worker notes four for each attempt, and files of their own cost the
//! kernel more than the attempt's processes. `"MUSTERWK"` and a version u16 first, then for each change its length u32, its
//! crc32 u32 (little endian), and the change as MessagePack. What is not kept any more goes when the file is written anew.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::kept::{Change, Kept};

const MAGIC: &[u8; 8] = b"MUSTERWK";
const VERSION: u16 = 2;
const HEADER: usize = 10;
const FRAME: usize = 8;
/// The file is written anew when it is four times as long as after the last time, and longer than this, bytes.
const REWRITE_BYTES_MIN: u64 = 1024 * 1024;
const REWRITE_GROWTH: u64 = 4;

/// The open file. Clones share it; every method blocks on the disk.
#[derive(Clone, Debug)]
pub(super) struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    inner: Mutex<Inner>,
    /// How many changes are known to outlive a power loss. One caller syncs at a time, for all that wait behind it.
    synced: Mutex<u64>,
}

#[derive(Debug)]
struct Inner {
    file: Arc<File>,
    kept: Kept,
    /// Changes so far.
    count: u64,
    bytes: u64,
    rewrite_at: u64,
    /// A write or a sync failed: nothing is known of the end of the file, the next change begins a new one.
    broken: bool,
}

impl Journal {
    /// Opens the file, or makes it. One that is damaged is put aside; what stands before the damage is kept.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let (kept, is_whole) = read(path)?;
        if !is_whole {
            let aside = path.with_extension("bad");
            tracing::error!(path = %path.display(), aside = %aside.display(), "the end of the records is not readable; they are put aside");
            std::fs::copy(path, aside)?;
        }
        let (file, bytes) = write_anew(path, &kept)?;
        let rewrite_at = rewrite_at(bytes);
        let inner = Inner { file: Arc::new(file), kept, count: 0, bytes, rewrite_at, broken: false };
        let (path, synced) = (path.to_owned(), Mutex::new(0));
        Ok(Self(Arc::new(Shared { path, inner: Mutex::new(inner), synced })))
    }

    pub(super) fn kept(&self) -> Kept {
        self.inner().kept.clone()
    }

    /// Outlives this process when it returns, not a power loss. One that changes nothing is not written.
    pub(super) fn note(&self, change: Change) -> std::io::Result<()> {
        self.append(change).map(drop)
    }

    /// Outlives a power loss when it returns.
    pub(super) fn note_durably(&self, change: Change) -> std::io::Result<()> {
        let count = self.append(change)?;
        self.sync(count)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0.inner)
    }

    /// How many changes there are with this one.
    fn append(&self, change: Change) -> std::io::Result<u64> {
        let frame = frame_of(&change)?;
        let mut inner = self.inner();
        if !inner.kept.apply(change) {
            return Ok(inner.count);
        }
        inner.count += 1;
        match inner.broken || inner.bytes >= inner.rewrite_at {
            true => inner.rewrite(&self.0.path)?,
            false => inner.write(&frame)?,
        }
        Ok(inner.count)
    }

    fn sync(&self, count: u64) -> std::io::Result<()> {
        let mut synced = lock(&self.0.synced);
        if *synced >= count {
            return Ok(());
        }
        let (file, written) = {
            let inner = self.inner();
            (inner.file.clone(), inner.count)
        };
        // A sync that failed may have lost what it was to write, and a second one would not say so.
        file.sync_data().inspect_err(|_| self.inner().broken = true)?;
        *synced = written;
        Ok(())
    }
}

impl Inner {
    fn write(&mut self, frame: &[u8]) -> std::io::Result<()> {
        (&*self.file).write_all(frame).inspect_err(|_| self.broken = true)?;
        self.bytes += frame.len() as u64;
        Ok(())
    }

    /// What is kept, in a new file that is durable before it has the name.
    fn rewrite(&mut self, path: &Path) -> std::io::Result<()> {
        let (file, bytes) = write_anew(path, &self.kept)?;
        self.file = Arc::new(file);
        (self.bytes, self.rewrite_at, self.broken) = (bytes, rewrite_at(bytes), false);
        Ok(())
    }
}

fn rewrite_at(bytes: u64) -> u64 {
    (bytes * REWRITE_GROWTH).max(REWRITE_BYTES_MIN)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn header() -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_le_bytes()].concat()
}

fn write_anew(path: &Path, kept: &Kept) -> std::io::Result<(File, u64)> {
    let mut bytes = header();
    for change in kept.changes() {
        bytes.extend(frame_of(&change)?);
    }
    let temp = path.with_extension("tmp");
    let mut file = File::create(&temp)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&temp, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok((file, bytes.len() as u64))
}

fn frame_of(change: &Change) -> std::io::Result<Vec<u8>> {
    let body = muster_wire::encode(change).map_err(std::io::Error::other)?;
    let (length, sum) = (body.len() as u32, crc32fast::hash(&body));
    Ok([&length.to_le_bytes()[..], &sum.to_le_bytes(), &body].concat())
}

/// What a file keeps, and whether all of it was readable; nothing if there is none.
pub(super) fn read(path: &Path) -> std::io::Result<(Kept, bool)> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(replay(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((Kept::default(), true)),
        Err(error) => Err(error),
    }
}

fn replay(bytes: &[u8]) -> (Kept, bool) {
    let mut kept = Kept::default();
    let Some((_, mut rest)) = bytes.split_at_checked(HEADER).filter(|(head, _)| *head == header()) else {
        return (kept, false);
    };
    while let Some((change, later)) = next_change(rest) {
        kept.apply(change);
        rest = later;
    }
    (kept, rest.is_empty())
}

fn next_change(bytes: &[u8]) -> Option<(Change, &[u8])> {
    let (head, rest) = bytes.split_at_checked(FRAME)?;
    let (length, sum) = head.split_at(4);
    let length = u32::from_le_bytes(length.try_into().ok()?);
    let (body, later) = rest.split_at_checked(length as usize)?;
    let is_whole = crc32fast::hash(body).to_le_bytes() == sum;
    let change = is_whole.then(|| muster_wire::decode(body).ok()).flatten()?;
    Some((change, later))
}

#[cfg(test)]
#[path = "journal_test.rs"]
mod journal_test;
