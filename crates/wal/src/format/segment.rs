//! The header block of a segment file.

use bytes::{Buf, BufMut};

use super::BLOCK;
use crate::OpenError;

const MAGIC: &[u8; 8] = b"MUSTWAL1";
/// The version of the whole format; a different one is refused.
const VERSION: u16 = 2;
/// The file held another segment before, so what stands behind the last batch may be a left-over.
const RECYCLED: u16 = 1;
const CRC_AT: usize = BLOCK - 4;

/// Whose segment this is, and which batch comes first in it.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct SegmentHeader {
    pub(crate) node: [u8; 16],
    pub(crate) member: u32,
    pub(crate) segment: u64,
    /// Random per life of the file, so that left-over bytes never look valid.
    pub(crate) salt: u64,
    /// The header crc of the last batch of the previous segment.
    pub(crate) chain: u32,
    pub(crate) first_batch: u64,
    pub(crate) first_lsn: u64,
    /// The file was a segment before.
    pub(crate) recycled: bool,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(BLOCK);
        block.put_slice(MAGIC);
        block.put_u16_le(VERSION);
        block.put_u16_le(if self.recycled { RECYCLED } else { 0 });
        block.put_u32_le(self.member);
        block.put_slice(&self.node);
        block.put_u64_le(self.segment);
        block.put_u64_le(self.salt);
        block.put_u64_le(self.first_batch);
        block.put_u64_le(self.first_lsn);
        block.put_u32_le(self.chain);
        block.resize(CRC_AT, 0);
        block.put_u32_le(crc32fast::hash(&block));
        block
    }

    /// Reads the header of the file that is named `segment`.
    pub(crate) fn decode(file: &[u8], segment: u64) -> Result<Self, OpenError> {
        let corrupt = |what| OpenError::Corrupt { segment, offset: 0, what };
        let body = checked_body(file).ok_or(corrupt("the segment header is damaged"))?;
        let version = body.get(8..10).map(|mut raw| raw.get_u16_le()).unwrap_or_default();
        if version != VERSION {
            return Err(OpenError::Version { segment, found: version });
        }
        let header = Self::read(body).ok_or(corrupt("the segment header is short"))?;
        if header.segment != segment {
            return Err(corrupt("the header names another segment"));
        }
        Ok(header)
    }

    fn read(body: &[u8]) -> Option<Self> {
        let mut raw = body.get(10..)?;
        let recycled = raw.try_get_u16_le().ok()? & RECYCLED != 0;
        let member = raw.try_get_u32_le().ok()?;
        let mut node = [0; 16];
        raw.try_copy_to_slice(&mut node).ok()?;
        Some(Self {
            node,
            member,
            segment: raw.try_get_u64_le().ok()?,
            salt: raw.try_get_u64_le().ok()?,
            first_batch: raw.try_get_u64_le().ok()?,
            first_lsn: raw.try_get_u64_le().ok()?,
            chain: raw.try_get_u32_le().ok()?,
            recycled,
        })
    }
}

fn checked_body(file: &[u8]) -> Option<&[u8]> {
    let (body, mut crc) = file.get(..BLOCK)?.split_at_checked(CRC_AT)?;
    let intact = body.starts_with(MAGIC) && crc32fast::hash(body) == crc.get_u32_le();
    intact.then_some(body)
}
