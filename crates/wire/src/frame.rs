//! One frame on a link: a 24-byte header and a payload.
//!
//! ```text
//!  0      2       3      4          8        12            20          24
//!  | "MU" | ver 1 | kind | length u32 | crc32 | correlation u64 | method u32 | payload …
//! ```
//! Integers are little endian. The crc covers the header without itself, then the payload.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 24;
/// The largest payload.
pub const PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The frame format's version.
pub const VERSION: u8 = 1;
const MAGIC: [u8; 2] = *b"MU";

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// First frame in each direction: a [`crate::hello::Hello`] or [`crate::hello::Welcome`].
    Hello,
    /// Asks; `method` says what.
    Request,
    /// Answers the request with the same correlation id.
    Reply,
    /// Refuses it: the payload is an [`crate::rpc::RpcError`].
    Error,
}

const KINDS: [(u8, Kind); 4] = [(1, Kind::Hello), (2, Kind::Request), (3, Kind::Reply), (4, Kind::Error)];

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        KINDS.iter().find(|(tag, _)| *tag == byte).map(|(_, kind)| *kind)
    }

    fn to_byte(self) -> u8 {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or(0, |(tag, _)| *tag)
    }
}

/// One frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// Joins a reply to its request; chosen by the asking side.
    pub correlation: u64,
    /// The remote call's number (requests only; else 0).
    pub method: u32,
    /// The message.
    pub payload: Bytes,
}

/// A frame that cannot be read; the link is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not a muster link.
    #[error("not a muster frame")]
    BadMagic,
    /// A version that this build does not speak.
    #[error("frame version {0} is not spoken here (this is version {VERSION})")]
    Version(u8),
    /// An unknown frame kind.
    #[error("unknown frame kind {0}")]
    Kind(u8),
    /// Payload above [`PAYLOAD_BYTES_MAX`].
    #[error("payload of {0} bytes is over the limit of {PAYLOAD_BYTES_MAX}")]
    TooLarge(usize),
    /// Checksum mismatch.
    #[error("frame checksum mismatch")]
    Checksum,
}

struct Header {
    kind: Kind,
    length: usize,
    crc: u32,
    correlation: u64,
    method: u32,
}

impl Frame {
    /// Appends the frame's bytes.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), FrameError> {
        check_length(self.payload.len())?;
        let start = out.len();
        out.reserve(HEADER_BYTES + self.payload.len());
        out.put_slice(&MAGIC);
        out.put_u8(VERSION);
        out.put_u8(self.kind.to_byte());
        out.put_u32_le(self.payload.len() as u32);
        out.put_u32_le(0);
        out.put_u64_le(self.correlation);
        out.put_u32_le(self.method);
        let crc = checksum(&out[start..start + HEADER_BYTES], &self.payload);
        out[start + 8..start + 12].copy_from_slice(&crc.to_le_bytes());
        out.put_slice(&self.payload);
        Ok(())
    }

    /// Takes one whole frame off the front of `input`; `None` when more bytes are needed.
    pub fn decode(input: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let Some(head) = input.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let head = *head;
        let header = Header::parse(&head)?;
        if input.len() < HEADER_BYTES + header.length {
            return Ok(None);
        }
        input.advance(HEADER_BYTES);
        let payload = input.split_to(header.length).freeze();
        header.into_frame(&head, payload).map(Some)
    }
}

impl Header {
    fn parse(head: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let mut rest = &head[..];
        let magic = [rest.get_u8(), rest.get_u8()];
        let version = rest.get_u8();
        let kind = rest.get_u8();
        check_preamble(magic, version)?;
        let kind = Kind::from_byte(kind).ok_or(FrameError::Kind(kind))?;
        let length = rest.get_u32_le() as usize;
        check_length(length)?;
        Ok(Self {
            kind,
            length,
            crc: rest.get_u32_le(),
            correlation: rest.get_u64_le(),
            method: rest.get_u32_le(),
        })
    }

    fn into_frame(self, head: &[u8; HEADER_BYTES], payload: Bytes) -> Result<Frame, FrameError> {
        match checksum(head, &payload) == self.crc {
            true => {
                Ok(Frame { kind: self.kind, correlation: self.correlation, method: self.method, payload })
            }
            false => Err(FrameError::Checksum),
        }
    }
}

fn check_preamble(magic: [u8; 2], version: u8) -> Result<(), FrameError> {
    match (magic == MAGIC, version == VERSION) {
        (false, _) => Err(FrameError::BadMagic),
        (true, false) => Err(FrameError::Version(version)),
        (true, true) => Ok(()),
    }
}

fn check_length(length: usize) -> Result<(), FrameError> {
    match length > PAYLOAD_BYTES_MAX {
        true => Err(FrameError::TooLarge(length)),
        false => Ok(()),
    }
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head[..8]);
    hasher.update(&head[12..HEADER_BYTES]);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Frame {
        Frame { kind: Kind::Request, correlation: 9, method: 3, payload: Bytes::from_static(b"hello") }
    }

    fn bytes_of(frame: &Frame) -> BytesMut {
        let mut out = BytesMut::new();
        frame.encode(&mut out).unwrap();
        out
    }

    #[test]
    fn a_frame_survives_the_wire_byte_by_byte() {
        let whole = bytes_of(&sample());
        let mut input = BytesMut::new();
        for (at, byte) in whole.iter().enumerate() {
            assert_eq!(Frame::decode(&mut input).unwrap(), None, "after {at} bytes");
            input.put_u8(*byte);
        }
        assert_eq!(Frame::decode(&mut input).unwrap(), Some(sample()));
        assert!(input.is_empty());
    }

    #[test]
    fn every_flipped_bit_is_refused_or_waits_for_more() {
        let whole = bytes_of(&sample());
        for bit in 0..whole.len() * 8 {
            let mut broken = whole.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            let outcome = Frame::decode(&mut broken);
            assert!(!matches!(outcome, Ok(Some(_))), "bit {bit} went unnoticed");
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_anything_is_allocated() {
        let mut bytes = bytes_of(&sample());
        bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Frame::decode(&mut bytes), Err(FrameError::TooLarge(u32::MAX as usize)));
    }
}
