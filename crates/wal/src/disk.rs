//! The files of a log behind a trait, so that tests can lose power at any moment.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::OpenError;

/// One directory of flat files. A name is durable only after [`Disk::sync_dir`].
pub trait Disk: Send {
    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// All bytes of a file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// A new empty file, replacing one of the same name.
    fn create(&mut self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Shortens a file to `length` bytes and makes that durable.
    fn cut(&mut self, name: &str, length: u64) -> io::Result<()>;
    /// Renames a file, replacing one of the new name at once.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Deletes a file.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// Makes all names durable.
    fn sync_dir(&mut self) -> io::Result<()>;
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

/// A real directory, locked against a second user for as long as this value lives.
pub(crate) struct RealDisk {
    dir: PathBuf,
    _lock: File,
}

impl RealDisk {
    /// Makes the directory when it is missing.
    pub(crate) fn open(dir: &Path) -> Result<Self, OpenError> {
        let fault = |source| OpenError::Io { what: "open the log directory", source };
        fs::create_dir_all(dir).map_err(fault)?;
        let path = dir.join("LOCK");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(fault)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked),
            Err(TryLockError::Error(source)) => Err(fault(source)),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(name))
    }

    fn create(&mut self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile(File::create(self.path(name))?)))
    }

    fn cut(&mut self, name: &str, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(name))?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            done += write_some(&self.0, offset + done as u64, &bytes[done..])?;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

/// An interrupted call wrote nothing; a call that writes nothing without a reason is an error.
fn write_some(file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
    match file.write_at(bytes, offset) {
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        other => other,
    }
}
