//! A batch: what one sync makes durable.
//!
//! ```text
//! header 64 B | table n x 48 B | records back to back | zeros up to the block
//! ```
//! The header's crc covers the table's crc, the table holds each record's crc, and each header names its predecessor's
//! crc: so a header attests everything before it, and a record that is damaged is known by its row.

use bytes::{Buf, BufMut};

use super::record::{FRAME_BYTES, Op, ROW_BYTES, Record};
use super::{BLOCK, block_up};
use crate::{GroupKey, LogId};

const MAGIC: u32 = 0x3242_574D;
pub(crate) const HEAD_BYTES: usize = 64;
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
}

/// What a batch came to.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Encoded {
    /// The header's crc.
    pub(crate) crc: u32,
    pub(crate) records: usize,
}

/// Appends the batch to `out`, padded to whole blocks.
pub(crate) fn encode<'a>(
    stamp: &Stamp,
    records: impl Iterator<Item = &'a Record> + Clone,
    out: &mut Vec<u8>,
) -> Encoded {
    let start = out.len();
    let table_at = start + HEAD_BYTES;
    let count = records.clone().count();
    let payload_at = table_at + count * ROW_BYTES;
    out.resize(payload_at, 0);
    let mut row_at = table_at;
    for record in records {
        let row = put_frame(record, out);
        out[row_at..row_at + ROW_BYTES].copy_from_slice(&row);
        row_at += ROW_BYTES;
    }
    let head = Head {
        stamp: *stamp,
        crc: 0,
        records: count as u32,
        payload_len: (out.len() - payload_at) as u32,
        table_crc: crc32fast::hash(&out[table_at..payload_at]),
    };
    let (raw, crc) = head.encode();
    out[start..table_at].copy_from_slice(&raw);
    out.resize(start + block_up(out.len() - start), 0);
    Encoded { crc, records: count }
}

/// Appends the record's frame and gives back its row.
fn put_frame(record: &Record, out: &mut Vec<u8>) -> [u8; ROW_BYTES] {
    let start = out.len();
    let id = record.op.id();
    out.put_u64_le(0);
    out.put_u64_le(id.term);
    out.put_u64_le(id.index);
    record.op.put_payload(out);
    let length = (out.len() - start) as u32;
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    let crc = crc32fast::hash(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    let mut row = [0; ROW_BYTES];
    let mut to = &mut row[..];
    to.put_u64_le(record.key.group);
    to.put_u32_le(record.key.incarnation);
    to.put_u32_le(record.op.tag().into());
    to.put_u64_le(id.term);
    to.put_u64_le(id.origin);
    to.put_u64_le(id.index);
    to.put_u32_le(length);
    to.put_u32_le(crc);
    row
}

impl Head {
    fn encode(&self) -> ([u8; HEAD_BYTES], u32) {
        let mut raw = [0; HEAD_BYTES];
        let mut to = &mut raw[..];
        to.put_u32_le(MAGIC);
        to.put_u64_le(self.stamp.segment);
        to.put_u64_le(self.stamp.salt);
        to.put_u64_le(self.stamp.batch);
        to.put_u64_le(self.stamp.lsn);
        to.put_u32_le(self.stamp.chain);
        to.put_u32_le(self.records);
        to.put_u32_le(self.payload_len);
        to.put_u32_le(self.table_crc);
        let crc = crc32fast::hash(&raw[..CRC_AT]);
        raw[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        (raw, crc)
    }

    /// The header at the start of `bytes`, if one stands there intact.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut raw, mut tail) = bytes.get(..HEAD_BYTES)?.split_at_checked(CRC_AT)?;
        let mut magic = raw;
        (magic.try_get_u32_le().ok()? == MAGIC).then_some(())?;
        let crc = tail.try_get_u32_le().ok()?;
        if crc32fast::hash(raw) != crc {
            return None;
        }
        raw.advance(4);
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
        let head = Self { stamp, crc, records, payload_len, table_crc };
        (head.len() <= BATCH_BYTES_MAX).then_some(head)
    }

    fn table_len(&self) -> usize {
        self.records as usize * ROW_BYTES
    }

    /// Where the first record's frame begins, counted from the batch's start.
    pub(crate) fn payload_at(&self) -> usize {
        HEAD_BYTES + self.table_len()
    }

    /// Bytes of the whole batch, padding included.
    pub(crate) fn len(&self) -> usize {
        block_up(self.payload_at() + self.payload_len as usize)
    }
}

/// What a header's batch turned out to be.
#[derive(Debug)]
pub(crate) enum Body {
    /// Each record whose row is intact; a damaged payload is [`Op::Hurt`].
    Records(Vec<Found>),
    /// The table is damaged or cut: nobody knows whose records stood here.
    Damaged,
    /// All checksums hold, so it was written like this, but not by this version.
    Unknown,
}

/// A record as found on disk.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) record: Record,
    /// Where its frame begins, counted from the batch's start.
    pub(crate) offset: u32,
    /// The frame's length, bytes.
    pub(crate) length: u32,
}

impl Found {
    pub(crate) fn is_hurt(&self) -> bool {
        matches!(self.record.op, Op::Hurt(..))
    }
}

/// Reads the batch at the start of `bytes`.
pub(crate) fn decode_body(head: &Head, bytes: &[u8]) -> Body {
    let Some(table) = checked_table(head, bytes) else { return Body::Damaged };
    let mut offset = head.payload_at();
    let mut found = Vec::with_capacity(head.records as usize);
    for row in table.chunks_exact(ROW_BYTES) {
        let Some(one) = Row::read(row).and_then(|row| row.find(bytes, offset)) else { return Body::Unknown };
        offset += one.length as usize;
        found.push(one);
    }
    match offset == head.payload_at() + head.payload_len as usize {
        true => Body::Records(found),
        false => Body::Unknown,
    }
}

fn checked_table<'a>(head: &Head, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let table = bytes.get(HEAD_BYTES..head.payload_at())?;
    (crc32fast::hash(table) == head.table_crc).then_some(table)
}

struct Row {
    key: GroupKey,
    tag: u8,
    id: LogId,
    length: u32,
    crc: u32,
}

impl Row {
    fn read(mut row: &[u8]) -> Option<Self> {
        let group = row.try_get_u64_le().ok()?;
        let incarnation = row.try_get_u32_le().ok()?;
        Some(Self {
            key: GroupKey { group, incarnation },
            tag: u8::try_from(row.try_get_u32_le().ok()?).ok()?,
            id: LogId {
                term: row.try_get_u64_le().ok()?,
                origin: row.try_get_u64_le().ok()?,
                index: row.try_get_u64_le().ok()?,
            },
            length: row.try_get_u32_le().ok()?,
            crc: row.try_get_u32_le().ok()?,
        })
    }

    /// The record that this row names; none when this version does not know its kind.
    fn find(&self, bytes: &[u8], offset: usize) -> Option<Found> {
        let end = offset.checked_add(self.length as usize)?;
        let op = match bytes.get(offset..end).and_then(|frame| self.payload(frame)) {
            Some(payload) => Op::from_parts(self.tag, self.id, payload)?,
            None if Op::has_payload(self.tag) => Op::Hurt(self.tag, self.id),
            None => Op::from_row(self.tag, self.id)?,
        };
        let record = Record { key: self.key, op };
        Some(Found { record, offset: u32::try_from(offset).ok()?, length: self.length })
    }

    /// The frame must be the one that the row was written for, so that a table can never be read with another batch's
    /// records.
    fn payload<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        let (crc, payload) = decode_frame(frame, self.id)?;
        (crc == self.crc).then_some(payload)
    }
}

/// The crc and the payload of one record's frame, if it is intact and of this entry.
pub(crate) fn decode_frame(frame: &[u8], id: LogId) -> Option<(u32, &[u8])> {
    let (mut raw, payload) = frame.split_at_checked(FRAME_BYTES)?;
    let crc = raw.try_get_u32_le().ok()?;
    let length = raw.try_get_u32_le().ok()? as usize;
    let term = raw.try_get_u64_le().ok()?;
    let index = raw.try_get_u64_le().ok()?;
    let agrees = crc32fast::hash(frame.get(4..)?) == crc && length == frame.len();
    (agrees && (term, index) == (id.term, id.index)).then_some((crc, payload))
}

const _: () = assert!(BLOCK >= HEAD_BYTES);
