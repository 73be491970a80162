//! One user at a time for a log's directory.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::Path,
};

use crate::OpenError;

/// Holds the directory for this process as long as it lives.
#[derive(Debug)]
pub(crate) struct DirLock(File);

impl DirLock {
    /// Makes the directory when it is missing.
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        let fault = |source| OpenError::Io { what: "open the log directory", source };
        fs::create_dir_all(dir).map_err(fault)?;
        let path = dir.join("LOCK");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(fault)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self(lock)),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked),
            Err(TryLockError::Error(source)) => Err(fault(source)),
        }
    }

    /// After a failed sync nobody in this process may use the directory again: its cache may show bytes that are not on
    /// the device.
    pub(crate) fn keep_for_ever(self) {
        std::mem::forget(self.0);
    }
}
