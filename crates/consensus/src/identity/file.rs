//! The identity file's form and its durable replacement.
//!
//! `"MUSTERID"`, version u16, length u32, crc32 u32 (little endian), then the record as MessagePack.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::IdentityError;
use super::record::Record;

const FILE: &str = "identity";
const TEMP: &str = "identity.tmp";
const LOCK: &str = "LOCK";
const MAGIC: &[u8; 8] = b"MUSTERID";
const VERSION: u16 = 1;
const HEADER: usize = 18;
/// The largest file that is read.
const BYTES_MAX: u64 = 1024 * 1024;

/// Locks the directory for this process; made if missing.
pub(super) fn lock(dir: &Path) -> Result<File, IdentityError> {
    std::fs::create_dir_all(dir).map_err(at(dir))?;
    let path = dir.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IdentityError::InUse { dir: dir.into() }),
        Err(TryLockError::Error(source)) => Err(IdentityError::Io { path, source }),
    }
}

/// The record, or `None` in an empty directory.
pub(super) fn read(dir: &Path) -> Result<Option<Record>, IdentityError> {
    let path = dir.join(FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(IdentityError::Io { path, source }),
    };
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(at(&path))?;
    decode(&bytes).map(Some).map_err(|why| IdentityError::Damaged { path, why })
}

/// Replaces the record: after a crash the file is the old one or the new one, whole.
pub(super) fn write(dir: &Path, record: &Record) -> Result<(), IdentityError> {
    let (path, temp) = (dir.join(FILE), dir.join(TEMP));
    let bytes = encode(record).map_err(|why| IdentityError::Damaged { path: path.clone(), why })?;
    let mut file = File::create(&temp).map_err(at(&temp))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(at(&temp))?;
    std::fs::rename(&temp, &path).map_err(at(&path))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(at(dir))
}

/// Does the directory exist with something in it but its lock?
pub(super) fn is_filled(dir: &Path) -> bool {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name() != LOCK)
}

fn encode(record: &Record) -> Result<Vec<u8>, String> {
    let body = muster_wire::encode(record).map_err(|error| error.to_string())?;
    Ok([header_of(&body).as_slice(), &body].concat())
}

fn header_of(body: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..10].copy_from_slice(&VERSION.to_le_bytes());
    header[10..14].copy_from_slice(&(body.len() as u32).to_le_bytes());
    header[14..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    header
}

fn decode(bytes: &[u8]) -> Result<Record, String> {
    let (header, body) = bytes.split_at_checked(HEADER).ok_or("cut short")?;
    let expected = header_of(body);
    if header[..8] != expected[..8] {
        return Err("not an identity file".into());
    }
    if header[8..10] != expected[8..10] {
        return Err("of a version that this build does not know".into());
    }
    match header == expected {
        true => muster_wire::decode(body).map_err(|error| error.to_string()),
        false => Err("its checksum does not match".into()),
    }
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> IdentityError {
    let path: PathBuf = path.into();
    move |source| IdentityError::Io { path, source }
}
