//! The bytes on disk, all little-endian: a segment is one header block and then batches, each on a block boundary.

mod batch;
mod record;
mod segment;

pub(crate) use batch::{Body, Head, Stamp, decode_body, encode};
pub(crate) use record::{Op, Record};
pub(crate) use segment::{SegmentHeader, parse_name, segment_name, temporary_name, torn_name};

/// Every header and batch begins on a multiple of this, so an acknowledged block is never written again.
pub(crate) const BLOCK: usize = 4096;

/// The largest payload of one record, bytes.
pub(crate) const RECORD_BYTES_MAX: usize = 8 << 20;

/// The length that `bytes` take on disk.
pub(crate) fn block_up(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK)
}
