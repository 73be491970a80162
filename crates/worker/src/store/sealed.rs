//! One value in one file, replaced as a whole: `"MUSTERWK"`, version u16, length u32, crc32 u32 (little endian), then
//! the value as MessagePack.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

const MAGIC: &[u8; 8] = b"MUSTERWK";
const VERSION: u16 = 1;
const HEADER: usize = 18;
/// The largest file that is read.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The ending of a file that is being written.
pub(super) const TEMP: &str = "tmp";

/// Must the value outlive a power loss?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Durability {
    /// Yes: synced before it is there.
    Power,
    /// Only the end of this process.
    Process,
}

/// Writes a value; after a crash the file is there whole or not at all.
pub(super) fn write<T: Serialize>(path: &Path, value: &T, durability: Durability) -> std::io::Result<()> {
    let body = muster_wire::encode(value).map_err(std::io::Error::other)?;
    let temp = path.with_extension(TEMP);
    let mut file = File::create(&temp)?;
    file.write_all(&header_of(&body))?;
    file.write_all(&body)?;
    if durability == Durability::Power {
        file.sync_all()?;
    }
    std::fs::rename(&temp, path)?;
    match (durability, path.parent()) {
        (Durability::Power, Some(folder)) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Reads a value; `Err` in words when it is not one.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let (header, body) = bytes.split_at_checked(HEADER).ok_or("cut short")?;
    match header == header_of(body) {
        true => muster_wire::decode(body).map_err(|error| error.to_string()),
        false => Err("of another version, or damaged".into()),
    }
}

fn header_of(body: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..10].copy_from_slice(&VERSION.to_le_bytes());
    header[10..14].copy_from_slice(&(body.len() as u32).to_le_bytes());
    header[14..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    header
}
