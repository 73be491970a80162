//! Test support: a disk that loses power, and callbacks that can be waited for.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use bytes::Bytes;

use crate::{Disk, DiskFile, Done, Entry, GroupKey, LogId, Options, Vote, Wal, WalError, lock::lock};

const SECTOR: usize = 512;
const DEADLINE: Duration = Duration::from_secs(60);

/// A directory in memory that knows which bytes and names are durable. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    files: Vec<SimFile>,
    /// The names after each change that is not durable yet; the first one is durable.
    names: Vec<BTreeMap<String, usize>>,
    /// Changing calls that still succeed; none: all of them.
    calls_left: Option<u64>,
    /// Changing calls so far.
    calls: u64,
    /// Bytes that all files together may have.
    quota: Option<usize>,
}

#[derive(Clone, Default)]
struct SimFile {
    now: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

/// What power loss makes of a sector that was not synced.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    Old,
    New,
    Garbled,
}

impl Fate {
    fn from_number(number: usize) -> Self {
        [Fate::Old, Fate::New, Fate::Garbled][number]
    }
}

impl SimDisk {
    pub(crate) fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let disk = Self::default();
        {
            let mut world = lock(&disk.0);
            let names = files.keys().enumerate().map(|(at, name)| (name.clone(), at)).collect();
            world.names = vec![names];
            world.files = files
                .values()
                .map(|bytes| SimFile { now: bytes.clone(), durable: bytes.clone(), dirty: BTreeSet::new() })
                .collect();
        }
        disk
    }

    /// What a reader sees now.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let world = lock(&self.0);
        world.current().iter().map(|(name, at)| (name.clone(), world.files[*at].now.clone())).collect()
    }

    /// Flips the lowest bit of a byte, on the device.
    pub(crate) fn rot(&self, name: &str, at: usize) {
        self.flip(name, at, 1);
    }

    /// Flips bits of a byte, on the device.
    pub(crate) fn flip(&self, name: &str, at: usize, bits: u8) {
        let mut world = lock(&self.0);
        let file = world.current()[name];
        world.files[file].now[at] ^= bits;
        world.files[file].durable[at] ^= bits;
    }

    pub(crate) fn fail_after(&self, calls: u64) {
        lock(&self.0).calls_left = Some(calls);
    }

    pub(crate) fn set_quota(&self, bytes: Option<usize>) {
        lock(&self.0).quota = bytes;
    }

    pub(crate) fn used(&self) -> usize {
        lock(&self.0).used()
    }

    /// Changing calls so far.
    pub(crate) fn calls(&self) -> u64 {
        lock(&self.0).calls
    }

    /// How many states power loss may leave: moments of the names, and sectors that were not synced.
    pub(crate) fn doubts(&self) -> (usize, usize) {
        let world = lock(&self.0);
        let dirty = world.current().values().map(|at| world.files[*at].dirty.len()).sum();
        (world.names.len().max(1), dirty)
    }

    /// Power is lost: each sector that was not synced may be old, new or garbled, and the names are of some moment since
    /// the last directory sync.
    pub(crate) fn crash(&self, mut pick: impl FnMut(usize) -> usize) -> SimDisk {
        let moment = pick(lock(&self.0).names.len().max(1));
        self.crash_to(moment, |_| Fate::from_number(pick(3)))
    }

    /// Power is lost: names of this moment since the last directory sync, sectors by their fate.
    pub(crate) fn crash_to(&self, moment: usize, mut fate: impl FnMut(usize) -> Fate) -> SimDisk {
        let world = lock(&self.0);
        let Some(names) = world.names.get(moment) else { return SimDisk::default() };
        let mut number = 0;
        let mut next = || {
            number += 1;
            fate(number - 1)
        };
        let files = names.iter().map(|(name, at)| (name.clone(), world.files[*at].after_crash(&mut next)));
        SimDisk::from_files(&files.collect())
    }
}

impl SimFile {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.now.resize(self.now.len().max(end), 0);
        self.now[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.settle(sector, |_, now| now);
        }
        self.durable.resize(self.now.len(), 0);
    }

    /// Makes one sector durable with what `f` makes of its old and new bytes.
    fn settle(&mut self, sector: usize, f: impl Fn(u8, u8) -> u8) {
        let start = sector * SECTOR;
        let end = (start + SECTOR).min(self.now.len());
        self.durable.resize(self.durable.len().max(end), 0);
        for at in start..end {
            self.durable[at] = f(self.durable[at], self.now[at]);
        }
    }

    fn after_crash(&self, fate: &mut impl FnMut() -> Fate) -> Vec<u8> {
        let mut file = self.clone();
        for sector in &self.dirty {
            match fate() {
                Fate::Old => {}
                Fate::New => file.settle(*sector, |_, now| now),
                Fate::Garbled => file.settle(*sector, |old, now| (old ^ now).wrapping_add(0x5a)),
            }
        }
        file.durable
    }
}

impl World {
    fn current(&self) -> BTreeMap<String, usize> {
        self.names.last().cloned().unwrap_or_default()
    }

    fn used(&self) -> usize {
        self.current().values().map(|at| self.files[*at].now.len()).sum()
    }

    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        match &mut self.calls_left {
            Some(0) => Err(io::Error::other("injected")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn check_quota(&self, at: usize, end: usize) -> io::Result<()> {
        let grows = end.saturating_sub(self.files[at].now.len());
        match self.quota {
            Some(quota) if grows > 0 && self.used() + grows > quota => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn rename(&mut self, change: impl FnOnce(&mut BTreeMap<String, usize>)) {
        let mut names = self.current();
        change(&mut names);
        if self.names.is_empty() {
            self.names.push(BTreeMap::new());
        }
        self.names.push(names);
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.current().get(name).copied().ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.0).current().into_keys().collect())
    }

    fn read(&self, name: &str, into: &mut Vec<u8>) -> io::Result<()> {
        let world = lock(&self.0);
        into.clone_from(&world.files[world.find(name)?].now);
        Ok(())
    }

    /// What is not durable may be in the cache only.
    fn read_fresh(&self, name: &str, into: &mut Vec<u8>) -> io::Result<()> {
        let world = lock(&self.0);
        into.clone_from(&world.files[world.find(name)?].durable);
        Ok(())
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let world = lock(&self.0);
        let bytes = &world.files[world.find(name)?].now;
        let start = (offset as usize).min(bytes.len());
        Ok(bytes[start..(start + length).min(bytes.len())].to_vec())
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        let world = lock(&self.0);
        Ok(world.files[world.find(name)?].now.len() as u64)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut world = lock(&self.0);
        world.call()?;
        let at = world.files.len();
        world.files.push(SimFile::default());
        world.rename(|names| {
            names.insert(name.to_owned(), at);
        });
        Ok(Box::new(Handle(self.clone(), at)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let at = lock(&self.0).find(name)?;
        Ok(Box::new(Handle(self.clone(), at)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = lock(&self.0);
        world.call()?;
        world.rename(|names| {
            let at = names.remove(from).unwrap();
            names.insert(to.to_owned(), at);
        });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = lock(&self.0);
        world.call()?;
        world.find(name)?;
        world.rename(|names| {
            names.remove(name);
        });
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut world = lock(&self.0);
        world.call()?;
        world.names = vec![world.current()];
        Ok(())
    }
}

struct Handle(SimDisk, usize);

impl DiskFile for Handle {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut world = lock(&self.0.0);
        world.call()?;
        world.check_quota(self.1, offset as usize + bytes.len())?;
        world.files[self.1].write(offset as usize, bytes);
        Ok(())
    }

    /// A sync that fails may have written anything, and the cache goes on showing what was not written.
    fn sync(&mut self) -> io::Result<()> {
        let mut world = lock(&self.0.0);
        world.call()?;
        world.files[self.1].sync();
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        let mut world = lock(&self.0.0);
        world.call()?;
        let file = &mut world.files[self.1];
        file.now.resize(length as usize, 0);
        file.dirty.retain(|sector| sector * SECTOR < length as usize);
        Ok(())
    }
}

/// The answer that a callback will get.
pub(crate) struct Answer(mpsc::Receiver<Result<(), WalError>>);

impl Answer {
    pub(crate) fn wait(&self) -> Result<(), WalError> {
        self.0.recv_timeout(DEADLINE).expect("the callback ran")
    }

    pub(crate) fn poll(&self) -> Option<Result<(), WalError>> {
        self.0.try_recv().ok()
    }
}

pub(crate) fn done() -> (Done, Answer) {
    let (send, receive) = mpsc::sync_channel(2);
    (Box::new(move |result| send.send(result).unwrap_or_default()), Answer(receive))
}

pub(crate) fn key(group: u64, incarnation: u32) -> GroupKey {
    GroupKey { group, incarnation }
}

pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId { term, origin: term + 100, index }
}

/// Entries of one term; their payloads tell them apart.
pub(crate) fn entries(term: u64, range: std::ops::Range<u64>) -> Vec<Entry> {
    range.map(|index| Entry { id: log_id(term, index), payload: payload(term, index) }).collect()
}

fn payload(term: u64, index: u64) -> Bytes {
    format!("term {term} index {index}").into()
}

pub(crate) fn vote(term: u64) -> Vote {
    Vote { term, node: term * 7, committed: term.is_multiple_of(2) }
}

/// Segments so small that every test crosses several.
pub(crate) fn small() -> Options {
    Options { segment_bytes: 16 << 10, budget_bytes: 64 << 10, ..Options::new([7; 16]) }
}

pub(crate) fn open(disk: &SimDisk, options: Options) -> Wal {
    Wal::open_on(Arc::new(disk.clone()), options).unwrap()
}

/// All entries of a group, wherever they are.
pub(crate) fn all(log: &crate::GroupLog) -> Vec<Entry> {
    log.reader().entries(0..u64::MAX, usize::MAX).unwrap()
}
