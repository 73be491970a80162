//! A batch: what one sync makes durable.
//!
//! ```text
//! header 64 B | table n x 48 B | records back to back | zeros up to the block
//! ```
//! The header's crc covers the crcs of the table and of the records, and each header names its predecessor's crc.

use bytes::{Buf, BufMut};

use super::record::{FRAME_BYTES, Op, ROW_BYTES, Record};
use super::{BLOCK, block_up};
use crate::{GroupKey, LogId};

const MAGIC: u32 = 0x3142_574D;
const HEAD_BYTES: usize = 64;
const CRC_AT: usize = HEAD_BYTES - 4;
/// No valid batch is longer; checked before anything is read by a length from disk.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// Where a batch belongs; two batches never share one.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    pub(crate) segment: u64,
    pub(crate) salt: u64,
    /// Numbers the batches of a log without gaps.
    pub(crate) batch: u64,
    /// The number of the batch's first record in the log.
    pub(crate) lsn: u64,
    /// The header crc of the batch before.
    pub(crate) chain: u32,
}

/// A batch's header whose crc holds.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Head {
    pub(crate) stamp: Stamp,
    pub(crate) crc: u32,
    pub(crate) records: u32,
    payload_len: u32,
    table_crc: u32,
    payload_crc: u32,
}

/// Appends the batch to `out`, padded to whole blocks, and gives back its header crc.
pub(crate) fn encode(stamp: &Stamp, records: &[Record], out: &mut Vec<u8>) -> u32 {
    let start = out.len();
    let table_at = start + HEAD_BYTES;
    let payload_at = table_at + records.len() * ROW_BYTES;
    out.resize(table_at, 0);
    put_table(records, out);
    records.iter().for_each(|record| put_frame(&record.op, out));
    let head = Head {
        stamp: *stamp,
        crc: 0,
        records: records.len() as u32,
        payload_len: (out.len() - payload_at) as u32,
        table_crc: crc32fast::hash(&out[table_at..payload_at]),
        payload_crc: crc32fast::hash(&out[payload_at..]),
    };
    let (raw, crc) = head.encode();
    out[start..table_at].copy_from_slice(&raw);
    out.resize(start + block_up(out.len() - start), 0);
    crc
}

fn put_table(records: &[Record], out: &mut Vec<u8>) {
    let mut offset = 0;
    for record in records {
        let length = (FRAME_BYTES + record.op.payload().len()) as u32;
        let id = record.op.id();
        out.put_u64_le(record.key.group);
        out.put_u32_le(record.key.incarnation);
        out.put_u32_le(record.op.tag().into());
        out.put_u64_le(id.term);
        out.put_u64_le(id.origin);
        out.put_u64_le(id.index);
        out.put_u32_le(offset);
        out.put_u32_le(length);
        offset += length;
    }
}

fn put_frame(op: &Op, out: &mut Vec<u8>) {
    let start = out.len();
    let payload = op.payload();
    out.put_u32_le(0);
    out.put_u32_le((FRAME_BYTES + payload.len()) as u32);
    out.put_u64_le(op.id().term);
    out.put_u64_le(op.id().index);
    out.put_slice(payload);
    let crc = crc32fast::hash(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

impl Head {
    fn encode(&self) -> (Vec<u8>, u32) {
        let mut raw = Vec::with_capacity(HEAD_BYTES);
        raw.put_u32_le(MAGIC);
        raw.put_u64_le(self.stamp.segment);
        raw.put_u64_le(self.stamp.salt);
        raw.put_u64_le(self.stamp.batch);
        raw.put_u64_le(self.stamp.lsn);
        raw.put_u32_le(self.stamp.chain);
        raw.put_u32_le(self.records);
        raw.put_u32_le(self.payload_len);
        raw.put_u32_le(self.table_crc);
        raw.put_u32_le(self.payload_crc);
        raw.put_u32_le(0);
        let crc = crc32fast::hash(&raw);
        raw.put_u32_le(crc);
        (raw, crc)
    }

    /// The header at the start of `bytes`, if one stands there intact.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut raw, mut tail) = bytes.get(..HEAD_BYTES)?.split_at_checked(CRC_AT)?;
        let crc = tail.try_get_u32_le().ok()?;
        if crc32fast::hash(raw) != crc {
            return None;
        }
        (raw.try_get_u32_le().ok()? == MAGIC).then_some(())?;
        let stamp = Stamp {
            segment: raw.try_get_u64_le().ok()?,
            salt: raw.try_get_u64_le().ok()?,
            batch: raw.try_get_u64_le().ok()?,
            lsn: raw.try_get_u64_le().ok()?,
            chain: raw.try_get_u32_le().ok()?,
        };
        let records = raw.try_get_u32_le().ok()?;
        let payload_len = raw.try_get_u32_le().ok()?;
        let table_crc = raw.try_get_u32_le().ok()?;
        let payload_crc = raw.try_get_u32_le().ok()?;
        let head = Self { stamp, crc, records, payload_len, table_crc, payload_crc };
        (head.len() <= BATCH_BYTES_MAX).then_some(head)
    }

    fn table_len(&self) -> usize {
        self.records as usize * ROW_BYTES
    }

    fn used(&self) -> usize {
        HEAD_BYTES + self.table_len() + self.payload_len as usize
    }

    /// Bytes of the whole batch, padding included.
    pub(crate) fn len(&self) -> usize {
        block_up(self.used())
    }
}

/// What a header's batch turned out to be.
#[derive(Debug)]
pub(crate) enum Body {
    Records(Vec<Record>),
    /// A checksum does not hold, or bytes are missing.
    Damaged,
    /// All checksums hold, so it was written like this, but not by this version.
    Unknown,
}

/// Reads the batch at the start of `bytes`.
pub(crate) fn decode_body(head: &Head, bytes: &[u8]) -> Body {
    let Some((table, payload)) = checked_parts(head, bytes) else { return Body::Damaged };
    let records: Option<_> = table.chunks_exact(ROW_BYTES).map(|row| decode_record(row, payload)).collect();
    records.map_or(Body::Unknown, Body::Records)
}

fn checked_parts<'a>(head: &Head, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (used, padding) = bytes.get(..head.len())?.split_at_checked(head.used())?;
    let (table, payload) = used.get(HEAD_BYTES..)?.split_at_checked(head.table_len())?;
    let intact = crc32fast::hash(table) == head.table_crc
        && crc32fast::hash(payload) == head.payload_crc
        && padding.iter().all(|byte| *byte == 0);
    intact.then_some((table, payload))
}

fn decode_record(mut row: &[u8], payload: &[u8]) -> Option<Record> {
    let group = row.try_get_u64_le().ok()?;
    let incarnation = row.try_get_u32_le().ok()?;
    let tag = u8::try_from(row.try_get_u32_le().ok()?).ok()?;
    let term = row.try_get_u64_le().ok()?;
    let origin = row.try_get_u64_le().ok()?;
    let index = row.try_get_u64_le().ok()?;
    let offset = row.try_get_u32_le().ok()? as usize;
    let length = row.try_get_u32_le().ok()? as usize;
    let frame = payload.get(offset..offset.checked_add(length)?)?;
    let id = LogId { term, origin, index };
    let command = frame_payload(frame, &id)?;
    Some(Record { key: GroupKey { group, incarnation }, op: Op::from_parts(tag, id, command)? })
}

/// The frame must agree with its row, so that a table can never be read with another batch's records.
fn frame_payload<'a>(frame: &'a [u8], id: &LogId) -> Option<&'a [u8]> {
    let (mut raw, command) = frame.split_at_checked(FRAME_BYTES)?;
    let crc = raw.try_get_u32_le().ok()?;
    let length = raw.try_get_u32_le().ok()? as usize;
    let term = raw.try_get_u64_le().ok()?;
    let index = raw.try_get_u64_le().ok()?;
    let agrees = crc32fast::hash(frame.get(4..)?) == crc && length == frame.len();
    (agrees && (term, index) == (id.term, id.index)).then_some(command)
}

const _: () = assert!(BLOCK >= HEAD_BYTES);
