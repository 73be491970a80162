//! Where a node keeps what must survive: its log and its folders of snapshots. Behind a trait, so that a simulation can
//! lose power.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use muster_wal::{Disk, OpenError, Options, RealDisk, Wal};

/// What a node keeps on disk. All calls may block.
pub trait Storage: Send + Sync + 'static {
    /// Opens or creates the node's log.
    ///
    /// # Errors
    /// Those of [`Wal::open`].
    fn open_log(&self, dir: &Path, options: Options) -> Result<Wal, OpenError>;

    /// The files of a folder, which need not exist yet.
    fn files(&self, dir: &Path) -> Arc<dyn Disk>;

    /// Makes a folder; durable when it returns.
    ///
    /// # Errors
    /// The disk's.
    fn make(&self, dir: &Path) -> io::Result<()>;

    /// Deletes a folder and all that is in it; fine if there is none.
    ///
    /// # Errors
    /// The disk's.
    fn remove(&self, dir: &Path) -> io::Result<()>;
}

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealStorage;

impl RealStorage {
    /// To be shared by all that write.
    pub fn shared() -> Arc<dyn Storage> {
        Arc::new(Self)
    }
}

impl Storage for RealStorage {
    fn open_log(&self, dir: &Path, options: Options) -> Result<Wal, OpenError> {
        Wal::open(dir, options)
    }

    fn files(&self, dir: &Path) -> Arc<dyn Disk> {
        Arc::new(RealDisk::new(dir))
    }

    fn make(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        dir.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }

    fn remove(&self, dir: &Path) -> io::Result<()> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
