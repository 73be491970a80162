//! The files of a log behind a trait, so that tests can lose power at any moment.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

/// One directory of flat files. A name is durable only after [`Disk::sync_dir`]. All calls may come from any thread.
pub trait Disk: Send + Sync {
    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// All bytes of a file take the place of what `into` holds: who reads one file after the other keeps its memory.
    fn read(&self, name: &str, into: &mut Vec<u8>) -> io::Result<()>;
    /// Like [`Disk::read`], but what the device holds: bytes that a failed sync left in a cache do not count.
    fn read_fresh(&self, name: &str, into: &mut Vec<u8>) -> io::Result<()> {
        self.read(name, into)
    }
    /// `length` bytes at `offset`; fewer where the file ends.
    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// A file's length, bytes.
    fn length(&self, name: &str) -> io::Result<u64>;
    /// A new empty file, replacing one of the same name.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// An existing file, for writing.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Renames a file, replacing one of the new name at once.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Deletes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes all names durable.
    fn sync_dir(&self) -> io::Result<()>;
}

/// One open file for writing. Bytes are durable only after [`DiskFile::sync`].
pub trait DiskFile: Send {
    /// Writes all of `bytes` at `offset`, growing the file as needed.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes all written bytes and the length durable; after an error nothing is known and nothing may be retried.
    fn sync(&mut self) -> io::Result<()>;
    /// Changes the length; durable at some later time.
    fn set_len(&mut self, length: u64) -> io::Result<()>;
}

/// A real directory.
#[derive(Clone, Debug)]
pub struct RealDisk {
    dir: PathBuf,
}

impl RealDisk {
    /// It need not exist before a file is made in it.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn read(&self, name: &str, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        File::open(self.path(name))?.read_to_end(into).map(drop)
    }

    /// Not every file system can drop its cache; then the cached bytes must do.
    fn read_fresh(&self, name: &str, into: &mut Vec<u8>) -> io::Result<()> {
        let file = File::open(self.path(name))?;
        if let Err(error) = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED) {
            tracing::debug!(name, %error, "the file's cache could not be dropped");
        }
        self.read(name, into)
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let file = File::open(self.path(name))?;
        let mut bytes = vec![0; length];
        let mut done = 0;
        while done < length {
            let read = read_some(&file, offset + done as u64, &mut bytes[done..])?;
            if read == 0 {
                break;
            }
            done += read;
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.path(name))?.len())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile(File::create(self.path(name))?)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile(OpenOptions::new().write(true).open(self.path(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        write_whole(offset, bytes, |offset, bytes| self.0.write_at(bytes, offset))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

/// Repeats a call that may write only a part until all is written. An interrupted call wrote nothing; a call that writes
/// nothing without a reason is an error.
pub(crate) fn write_whole(
    offset: u64,
    bytes: &[u8],
    mut write: impl FnMut(u64, &[u8]) -> io::Result<usize>,
) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        done += wrote(write(offset + done as u64, &bytes[done..]))?;
    }
    Ok(())
}

fn wrote(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        other => other,
    }
}

/// Nothing at the end of the file.
fn read_some(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read_at(bytes, offset) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
