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
}

#[derive(Clone, Default)]
struct SimFile {
    now: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
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

    pub(crate) fn fail_after(&self, calls: u64) {
        lock(&self.0).calls_left = Some(calls);
    }

    /// Power is lost: each sector that was not synced may be old or new, and the names are of some moment since the
    /// last directory sync.
    pub(crate) fn crash(&self, mut pick: impl FnMut(usize) -> usize) -> SimDisk {
        let world = lock(&self.0);
        let names = &world.names[pick(world.names.len())];
        let files = names.iter().map(|(name, at)| (name.clone(), world.files[*at].after_crash(&mut pick)));
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
        self.durable = self.now.clone();
        self.dirty.clear();
    }

    fn after_crash(&self, pick: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for sector in self.dirty.iter().filter(|_| pick(2) == 1) {
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(self.now.len());
            bytes.resize(bytes.len().max(end), 0);
            bytes[start..end].copy_from_slice(&self.now[start..end]);
        }
        bytes
    }
}

impl World {
    fn current(&self) -> BTreeMap<String, usize> {
        self.names.last().cloned().unwrap_or_default()
    }

    fn call(&mut self) -> io::Result<()> {
        match &mut self.calls_left {
            Some(0) => Err(io::Error::other("injected")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
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
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.0).current().into_keys().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.files().remove(name).ok_or(io::ErrorKind::NotFound.into())
    }

    fn create(&mut self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut world = lock(&self.0);
        world.call()?;
        let at = world.files.len();
        world.files.push(SimFile::default());
        world.rename(|names| {
            names.insert(name.to_owned(), at);
        });
        Ok(Box::new(Handle(self.clone(), at)))
    }

    fn cut(&mut self, name: &str, length: u64) -> io::Result<()> {
        let mut world = lock(&self.0);
        world.call()?;
        let at = world.current()[name];
        world.files[at].now.truncate(length as usize);
        world.files[at].sync();
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut world = lock(&self.0);
        world.call()?;
        world.rename(|names| {
            let at = names.remove(from).unwrap();
            names.insert(to.to_owned(), at);
        });
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut world = lock(&self.0);
        world.call()?;
        world.rename(|names| {
            names.remove(name);
        });
        Ok(())
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        let mut world = lock(&self.0);
        world.call()?;
        world.names = vec![world.current()];
        Ok(())
    }
}

struct Handle(SimDisk, usize);

impl Handle {
    fn change(&self, f: impl FnOnce(&mut SimFile)) -> io::Result<()> {
        let mut world = lock(&self.0.0);
        world.call()?;
        f(&mut world.files[self.1]);
        Ok(())
    }
}

impl DiskFile for Handle {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(|file| file.write(offset as usize, bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.change(SimFile::sync)
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.change(|file| {
            file.now.resize(length as usize, 0);
            file.dirty =
                file.dirty.iter().copied().filter(|sector| sector * SECTOR < length as usize).collect();
        })
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
    Wal::open_on(Box::new(disk.clone()), options).unwrap()
}
