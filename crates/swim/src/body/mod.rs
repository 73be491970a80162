//! What a packet says: one message, then records.
//!
//! ```text
//!   [tag 1][fields of the message] ([length varint][record])*
//!   record: [flags 1][id 16][generation][incarnation][meta version] [by 16]? [reason 1]? [metadata]?
//! ```
//!
//! Numbers are varints. Every record has its length, so that a version may add fields at its end and one that cannot
//! be read is skipped alone. Metadata is MessagePack with field names.

pub(crate) mod bytes;
mod message;
mod record;

pub use message::Message;
pub use record::Record;

use bytes::{Reader, put_varint};

use crate::frame::BODY_BYTES_MAX;

/// Why a packet, or a record in it, was not used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Refusal {
    /// Over [`crate::frame::PACKET_BYTES_MAX`].
    TooLong,
    /// Not one of our packets, or of a version that this program does not speak.
    Foreign,
    /// Sealed with a key that this node does not hold, or plain although it holds keys.
    Key,
    /// Damaged, forged, for another node or of another cluster.
    Seal,
    /// Seen before, or too old to tell.
    Replay,
    /// From a sender that this node does not know, in the short form.
    Stranger,
    /// Message or record cannot be read.
    Malformed,
    /// From this node's own id.
    Own,
    /// More than this node takes.
    Busy,
}

impl Refusal {
    /// The label of `muster_swim_packets_dropped_total{reason}`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Foreign => "foreign",
            Self::Key => "key",
            Self::Seal => "seal",
            Self::Replay => "replay",
            Self::Stranger => "stranger",
            Self::Malformed => "malformed",
            Self::Own => "own",
            Self::Busy => "busy",
        }
    }
}

/// Fills one packet's body.
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A body with its message and no record yet.
    pub fn new(message: &Message) -> Self {
        let mut bytes = Vec::with_capacity(64);
        message.write(&mut bytes);
        Self { bytes }
    }

    /// Adds a record if it fits.
    pub fn push(&mut self, record: &Record) -> bool {
        let Some(part) = record.encoded() else { return false };
        let before = self.bytes.len();
        put_varint(&mut self.bytes, part.len() as u64);
        self.bytes.extend_from_slice(&part);
        let fits = self.bytes.len() <= BODY_BYTES_MAX;
        if !fits {
            self.bytes.truncate(before);
        }
        fits
    }

    /// Bytes that are left.
    pub fn room(&self) -> usize {
        BODY_BYTES_MAX.saturating_sub(self.bytes.len())
    }

    /// The body.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads a body: its message, and its records one by one.
pub fn open(bytes: &[u8]) -> Result<(Message, Records<'_>), Refusal> {
    if bytes.len() > BODY_BYTES_MAX {
        return Err(Refusal::TooLong);
    }
    let mut rest = Reader(bytes);
    let message = Message::read(&mut rest).ok_or(Refusal::Malformed)?;
    Ok((message, Records { rest }))
}

/// The records of a packet. One that cannot be read is an error of its own; the rest goes on.
pub struct Records<'a> {
    rest: Reader<'a>,
}

impl<'a> Records<'a> {
    fn part(&mut self) -> Option<&'a [u8]> {
        let length = self.rest.varint()?;
        self.rest.take(usize::try_from(length).ok()?)
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let part = self.part();
        if part.is_none() {
            self.rest = Reader(&[]);
        }
        Some(part.and_then(Record::decoded).ok_or(Refusal::Malformed))
    }
}

#[cfg(test)]
#[path = "body_test.rs"]
mod body_test;
