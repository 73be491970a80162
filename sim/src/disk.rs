//! The disk of one simulated machine: folders of files that know which of their bytes and names are durable.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_wal::{Disk, DiskFile};
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::trace::Trace;

const SECTOR: usize = 512;

/// Clones are the same disk.
#[derive(Clone)]
pub(crate) struct SimDisk {
    state: Arc<Mutex<State>>,
    trace: Trace,
}

#[derive(Default)]
struct State {
    folders: BTreeMap<PathBuf, Folder>,
    files: BTreeMap<u64, File>,
    next: u64,
    /// Changing calls that still succeed; none: all of them.
    calls_left: Option<u64>,
    has_hurt: bool,
    syncs: u64,
    /// Once these bytes were written and synced, the device holds back what comes.
    hold_behind: Option<Vec<u8>>,
    is_held: bool,
}

#[derive(Clone, Default)]
struct Folder {
    now: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    is_removed: bool,
}

#[derive(Clone, Default)]
struct File {
    now: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

impl SimDisk {
    pub(crate) fn new(trace: Trace) -> Self {
        Self { state: Arc::default(), trace }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device fails for good after so many more changing calls.
    pub(crate) fn fail_after(&self, calls: u64) {
        self.state().calls_left = Some(calls);
    }

    /// Will it fail soon, or has it?
    pub(crate) fn is_failing(&self) -> bool {
        self.state().calls_left.is_some()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.state().calls_left == Some(0)
    }

    /// Once these bytes were written and synced, nobody is to write to it.
    pub(crate) fn hold_behind(&self, bytes: &[u8]) {
        self.state().hold_behind = Some(bytes.to_owned());
    }

    pub(crate) fn is_held(&self) -> bool {
        self.state().is_held
    }

    pub(crate) fn release(&self) {
        let mut state = self.state();
        (state.hold_behind, state.is_held) = (None, false);
    }

    /// Has it refused a call since all was well?
    pub(crate) fn has_hurt(&self) -> bool {
        self.state().has_hurt
    }

    /// What it had hurt is well again.
    pub(crate) fn forget_hurt(&self) {
        self.state().has_hurt = false;
    }

    /// The device works again: it was replaced with all that it held.
    pub(crate) fn repair(&self) {
        self.state().calls_left = None;
    }

    /// Power is lost: each sector and each folder's names that were not synced may be old or new, or a sector garbled.
    pub(crate) fn lose_power(&self, rng: &mut StdRng) {
        let mut state = self.state();
        state.calls_left = None;
        state.folders.values_mut().for_each(|folder| folder.lose_power(rng));
        state.files.values_mut().for_each(|file| file.lose_power(rng));
    }

    /// How often these bytes stand in the files.
    pub(crate) fn count(&self, bytes: &[u8]) -> usize {
        self.state().files.values().map(|file| file.places(bytes).len()).sum()
    }

    /// Wherever these bytes stand, for good, one of them changes.
    pub(crate) fn rot(&self, bytes: &[u8]) {
        self.state().files.values_mut().for_each(|file| file.rot(bytes));
    }

    pub(crate) fn files(&self, dir: &Path) -> Arc<dyn Disk> {
        Arc::new(Files { disk: self.clone(), dir: dir.to_owned() })
    }

    pub(crate) fn make(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        state.folders.entry(dir.to_owned()).or_default().is_removed = false;
        Ok(())
    }

    /// Not durable: power loss may bring the folder back.
    pub(crate) fn remove(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        if let Some(folder) = state.folders.get_mut(dir) {
            folder.is_removed = true;
            folder.now.clear();
        }
        Ok(())
    }
}

impl Folder {
    fn lose_power(&mut self, rng: &mut StdRng) {
        match rng.random() {
            true => self.now.clone_from(&self.durable),
            false => self.durable.clone_from(&self.now),
        }
        self.is_removed &= self.now.is_empty();
    }
}

impl File {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.now.resize(self.now.len().max(end), 0);
        self.now[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }

    fn sync(&mut self) {
        self.durable.resize(self.now.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            let start = (sector * SECTOR).min(self.now.len());
            let end = (start + SECTOR).min(self.now.len());
            self.durable[start..end].copy_from_slice(&self.now[start..end]);
        }
    }

    /// Makes one sector durable with what `f` makes of its old and new bytes.
    fn settle(&mut self, sector: usize, f: impl Fn(u8, u8) -> u8) {
        let start = (sector * SECTOR).min(self.now.len());
        let end = (start + SECTOR).min(self.now.len());
        self.durable.resize(self.durable.len().max(end), 0);
        for at in start..end {
            self.durable[at] = f(self.durable[at], self.now[at]);
        }
    }

    fn places(&self, bytes: &[u8]) -> Vec<usize> {
        let windows = self.now.windows(bytes.len()).enumerate();
        windows.filter(|(_, found)| *found == bytes).map(|(at, _)| at).collect()
    }

    fn rot(&mut self, bytes: &[u8]) {
        for at in self.places(bytes) {
            self.now[at] ^= 0x5a;
            self.durable.get_mut(at).into_iter().for_each(|byte| *byte ^= 0x5a);
        }
    }

    fn lose_power(&mut self, rng: &mut StdRng) {
        for sector in std::mem::take(&mut self.dirty) {
            match rng.random_range(0..5) {
                0..2 => {}
                2..4 => self.settle(sector, |_, now| now),
                _ => self.settle(sector, |old, now| (old ^ now).wrapping_add(0x5a)),
            }
        }
        self.now.clone_from(&self.durable);
    }
}

impl State {
    fn call(&mut self) -> io::Result<()> {
        let Some(left) = &mut self.calls_left else { return Ok(()) };
        if *left == 0 {
            self.has_hurt = true;
            return Err(io::Error::other("the simulated device failed"));
        }
        *left -= 1;
        Ok(())
    }

    fn note_written(&mut self, bytes: &[u8]) {
        let awaited = self.hold_behind.as_deref();
        self.is_held |=
            awaited.is_some_and(|awaited| bytes.windows(awaited.len()).any(|found| found == awaited));
    }

    fn folder(&self, dir: &Path) -> io::Result<&Folder> {
        let found = self.folders.get(dir).filter(|folder| !folder.is_removed);
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn folder_mut(&mut self, dir: &Path) -> io::Result<&mut Folder> {
        self.call()?;
        let found = self.folders.get_mut(dir).filter(|folder| !folder.is_removed);
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn find(&self, dir: &Path, name: &str) -> io::Result<u64> {
        self.folder(dir)?.now.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file(&self, dir: &Path, name: &str) -> io::Result<&File> {
        let id = self.find(dir, name)?;
        self.files.get(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The files of one folder.
struct Files {
    disk: SimDisk,
    dir: PathBuf,
}

impl Disk for Files {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.disk.state().folder(&self.dir)?.now.keys().cloned().collect())
    }

    /// Fresh reads too: a process that died left its bytes in the cache, and they will be written.
    fn read(&self, name: &str, into: &mut Vec<u8>) -> io::Result<()> {
        into.clone_from(&self.disk.state().file(&self.dir, name)?.now);
        Ok(())
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let state = self.disk.state();
        let bytes = &state.file(&self.dir, name)?.now;
        let start = (offset as usize).min(bytes.len());
        Ok(bytes[start..(start + length).min(bytes.len())].to_vec())
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        Ok(self.disk.state().file(&self.dir, name)?.now.len() as u64)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.disk.state();
        let id = state.next;
        state.next += 1;
        state.folder_mut(&self.dir)?.now.insert(name.to_owned(), id);
        state.files.insert(id, File::default());
        Ok(Box::new(Open { disk: self.disk.clone(), id }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let id = self.disk.state().find(&self.dir, name)?;
        Ok(Box::new(Open { disk: self.disk.clone(), id }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.disk.state();
        let folder = state.folder_mut(&self.dir)?;
        let id = folder.now.remove(from).ok_or(io::ErrorKind::NotFound)?;
        folder.now.insert(to.to_owned(), id);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.disk.state();
        let removed = state.folder_mut(&self.dir)?.now.remove(name);
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let folder = state.folder_mut(&self.dir)?;
        folder.durable.clone_from(&folder.now);
        Ok(())
    }
}

/// One open file.
struct Open {
    disk: SimDisk,
    id: u64,
}

impl Open {
    fn change(&self, f: impl FnOnce(&mut File)) -> io::Result<()> {
        let mut state = self.disk.state();
        state.call()?;
        f(state.files.get_mut(&self.id).ok_or(io::ErrorKind::NotFound)?);
        Ok(())
    }
}

impl DiskFile for Open {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.trace.bytes(bytes);
        self.disk.state().note_written(bytes);
        self.change(|file| file.write(offset as usize, bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.state().syncs += 1;
        self.change(File::sync)
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.change(|file| {
            file.now.resize(length as usize, 0);
            file.dirty.retain(|sector| sector * SECTOR < length as usize);
        })
    }
}
