//! The packet format.
//!
//! ```text
//!   [magic 3][version 1][crc32 4][cluster 8] [length 2][envelope] ([length 2][record])*      all big-endian
//! ```
//!
//! The checksum covers all after itself. Envelope and records are MessagePack with field names, so that a version may
//! add fields; a record that cannot be read is skipped alone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use muster_wire::{CodecError, Generation, NodeId, decode, encode};

use crate::model::{LeaveReason, Meta, State};

/// The largest packet in bytes: it passes every usual network unfragmented.
pub const PACKET_BYTES_MAX: usize = 1400;

const MAGIC: [u8; 3] = *b"mSW";
const VERSION: u8 = 1;
const CHECKED_FROM: usize = 8;
const HEADER_BYTES: usize = 16;

/// Why a packet, or a record in it, was not used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Over [`PACKET_BYTES_MAX`].
    TooLong,
    /// Not one of our packets.
    Foreign,
    /// Of a version that this program does not speak.
    Version,
    /// Damaged on the way.
    Checksum,
    /// Of another cluster.
    Cluster,
    /// Envelope or record cannot be read.
    Malformed,
    /// From this node's own id.
    Own,
    /// For another node that had this address.
    Misaddressed,
    /// More requests than this node answers.
    Busy,
}

impl Refusal {
    /// The label of `muster_swim_packets_dropped_total{reason}`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Foreign => "foreign",
            Self::Version => "version",
            Self::Checksum => "checksum",
            Self::Cluster => "cluster",
            Self::Malformed => "malformed",
            Self::Own => "own",
            Self::Misaddressed => "misaddressed",
            Self::Busy => "busy",
        }
    }
}

/// Who says what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// The sender.
    #[serde(rename = "f")]
    pub from: NodeId,
    /// The sender's process.
    #[serde(rename = "g")]
    pub generation: Generation,
    /// What it wants.
    #[serde(rename = "m")]
    pub message: Message,
}

/// What one packet asks or answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Message {
    /// Are you there?
    #[serde(rename = "P")]
    Ping {
        /// Comes back in the answer.
        #[serde(rename = "q")]
        seq: u64,
        /// Who is meant; others do not answer.
        #[serde(rename = "t")]
        to: NodeId,
    },
    /// Yes, or a relay's yes for another node.
    #[serde(rename = "A")]
    Ack {
        /// Of the question.
        #[serde(rename = "q")]
        seq: u64,
        /// Who answered.
        #[serde(rename = "t")]
        about: NodeId,
        /// Its process.
        #[serde(rename = "g")]
        generation: Generation,
        /// The asked node does not know the asker.
        #[serde(rename = "s", default)]
        stranger: bool,
    },
    /// Please ping that one for me.
    #[serde(rename = "R")]
    PingReq {
        /// Comes back in the answer.
        #[serde(rename = "q")]
        seq: u64,
        /// Whom to ping.
        #[serde(rename = "t")]
        target: NodeId,
    },
    /// Only records.
    #[serde(rename = "G")]
    Gossip {},
    /// A part of the sender's view, and how much of the receiver's is wanted.
    #[serde(rename = "S")]
    Sync {
        /// The answer wanted.
        #[serde(rename = "w")]
        want: Want,
    },
}

/// How much of a view is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Want {
    /// Nothing: this is an answer.
    #[serde(rename = "n")]
    Nothing,
    /// A few packets.
    #[serde(rename = "s")]
    Slice,
    /// All of it: the sender joins.
    #[serde(rename = "f")]
    Full,
}

/// A belief about one process, as it is told around.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The node.
    #[serde(rename = "i")]
    pub id: NodeId,
    /// Its process.
    #[serde(rename = "g")]
    pub generation: Generation,
    /// Its incarnation.
    #[serde(rename = "n")]
    pub incarnation: u32,
    /// What is believed.
    #[serde(rename = "s")]
    pub state: State,
    /// Why it left.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<LeaveReason>,
    /// Counts the changes of its metadata.
    #[serde(rename = "v")]
    pub meta_version: u32,
    /// Its metadata; left out where the receiver will know it.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Arc<Meta>>,
}

/// The cluster's name in 64 bits (FNV-1a): tells clusters apart, protects nothing.
pub fn cluster_hash(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Fills one packet.
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A packet with its envelope and no record yet.
    pub fn new(cluster: u64, envelope: &Envelope) -> Result<Self, CodecError> {
        let mut bytes = Vec::with_capacity(PACKET_BYTES_MAX);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(VERSION);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&cluster.to_be_bytes());
        let mut writer = Self { bytes };
        writer.push_part(&encode(envelope)?);
        Ok(writer)
    }

    /// Adds a record if it fits.
    pub fn push(&mut self, record: &Record) -> bool {
        encode(record).is_ok_and(|part| self.push_part(&part))
    }

    /// Bytes that are left.
    pub fn room(&self) -> usize {
        PACKET_BYTES_MAX.saturating_sub(self.bytes.len())
    }

    fn push_part(&mut self, part: &[u8]) -> bool {
        let Ok(length) = u16::try_from(part.len()) else { return false };
        if self.bytes.len() + 2 + part.len() > PACKET_BYTES_MAX {
            return false;
        }
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(part);
        true
    }

    /// The packet with its checksum.
    pub fn finish(mut self) -> Vec<u8> {
        let crc = crc32fast::hash(self.bytes.get(CHECKED_FROM..).unwrap_or_default());
        if let Some(place) = self.bytes.get_mut(CHECKED_FROM - 4..CHECKED_FROM) {
            place.copy_from_slice(&crc.to_be_bytes());
        }
        self.bytes
    }
}

/// Reads a packet of `cluster`: its envelope, and its records one by one.
pub fn open(bytes: &[u8], cluster: u64) -> Result<(Envelope, Records<'_>), Refusal> {
    check_header(bytes)?;
    check_content(bytes, cluster)?;
    let mut records = Records { rest: bytes.get(HEADER_BYTES..).unwrap_or_default() };
    let part = records.part().ok_or(Refusal::Malformed)?;
    let envelope = decode(part).map_err(|_| Refusal::Malformed)?;
    Ok((envelope, records))
}

fn check_header(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.len() > PACKET_BYTES_MAX {
        return Err(Refusal::TooLong);
    }
    let (magic, rest) = bytes.split_first_chunk::<3>().ok_or(Refusal::Foreign)?;
    if *magic != MAGIC {
        return Err(Refusal::Foreign);
    }
    match rest.first() {
        Some(&VERSION) => Ok(()),
        _ => Err(Refusal::Version),
    }
}

fn check_content(bytes: &[u8], cluster: u64) -> Result<(), Refusal> {
    let checked = bytes.get(CHECKED_FROM..).ok_or(Refusal::Malformed)?;
    let crc = bytes.get(CHECKED_FROM - 4..CHECKED_FROM).unwrap_or_default();
    if crc != crc32fast::hash(checked).to_be_bytes() {
        return Err(Refusal::Checksum);
    }
    let found = checked.first_chunk::<8>().ok_or(Refusal::Malformed)?;
    match u64::from_be_bytes(*found) == cluster {
        true => Ok(()),
        false => Err(Refusal::Cluster),
    }
}

/// The records of a packet. One that cannot be read is an error of its own; the rest goes on.
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    fn part(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk::<2>()?;
        let (part, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.rest = rest;
        Some(part)
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
            self.rest = &[];
        }
        Some(part.and_then(read_record).ok_or(Refusal::Malformed))
    }
}

/// A record whose metadata could not be sent on is not taken in.
fn read_record(part: &[u8]) -> Option<Record> {
    let record: Record = decode(part).ok()?;
    record.meta.as_ref().is_none_or(|meta| meta.fits()).then_some(record)
}

#[cfg(test)]
#[path = "packet_test.rs"]
pub(crate) mod packet_test;
