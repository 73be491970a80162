//! The bytes on disk, all little-endian: a segment is one header block and then batches, each on a block boundary.

mod batch;
mod names;
mod record;
mod segment;

pub(crate) use batch::{Body, Encoded, Found, HEAD_BYTES, Head, Stamp, decode_body, decode_frame, encode};
pub(crate) use names::{
    damaged_name, is_temporary, is_torn, parse_segment, parse_spare, segment_name, spare_name,
    temporary_name, torn_name,
};
pub(crate) use record::{COPY, ENTRY, NOBODY, Op, ROW_BYTES, Record, STATE, State};
pub(crate) use segment::SegmentHeader;

/// Every header and batch begins on a multiple of this, so an acknowledged block is never written again.
pub(crate) const BLOCK: usize = 4096;

/// The largest payload of one record, bytes.
pub(crate) const RECORD_BYTES_MAX: usize = 8 << 20;

/// The length that `bytes` take on disk.
pub(crate) fn block_up(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK)
}
