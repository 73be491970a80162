//! What is around a packet's body: who sent it, to whom, sealed so that only the cluster can have made it.
//!
//! ```text
//!   [version and flags 1][key id 1][alias 5][counter 7] ([node id 16][generation 8])? [sealed body + tag 16]
//!                                                                                     [plain body + crc 4]
//! ```
//!
//! Alias and counter are the nonce of AES-256-GCM-SIV, which forgives a nonce used twice. The alias stands for
//! (node id, generation) among those who know the sender; to others it says both in full. Header, cluster, sender and
//! receiver are bound in, so a packet opens only where it was meant to, and only once: each sender's counter goes up
//! and has a window. A key shows that the sender belongs to the cluster, not which member it is.

mod keys;
mod replay;

use muster_wire::{Generation, NodeId};

pub use keys::{KeyRing, KeyRingError};
use replay::Windows;

use crate::body::Refusal;
use crate::body::bytes::Reader;

/// The largest packet in bytes: it passes every usual network unfragmented.
pub const PACKET_BYTES_MAX: usize = 1400;
const SHORT_HEADER_BYTES: usize = 14;
const FULL_HEADER_BYTES: usize = SHORT_HEADER_BYTES + 24;
pub(crate) const TAG_BYTES: usize = 16;
const CRC_BYTES: usize = 4;
/// The largest body in bytes.
pub const BODY_BYTES_MAX: usize = PACKET_BYTES_MAX - FULL_HEADER_BYTES - TAG_BYTES;

const VERSION: u8 = 2 << 4;
const VERSION_BITS: u8 = 0xf0;
const IS_FULL: u8 = 1;
const IS_ADDRESSED: u8 = 2;
const IS_SEALED: u8 = 4;

/// Forty bits that stand for a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Alias([u8; 5]);

/// A process that sends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Sender {
    /// The node.
    pub id: NodeId,
    /// Its process.
    pub generation: Generation,
}

impl Sender {
    /// What stands for it among those who know it (FNV-1a).
    pub fn alias(self) -> Alias {
        let bytes = self.id.0.to_be_bytes().into_iter().chain(self.generation.0.to_be_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let [_, _, _, a, b, c, d, e] = (hash ^ (hash >> 40)).to_be_bytes();
        Alias([a, b, c, d, e])
    }
}

/// How a body is to be framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// Who may open it; `None` only where the receiver's id is not known yet.
    pub to: Option<NodeId>,
    /// The receiver knows this process: the alias is enough.
    pub is_short: bool,
}

impl Envelope {
    /// Bytes around a sealed body.
    pub const fn sealed_bytes(self) -> usize {
        TAG_BYTES + if self.is_short { SHORT_HEADER_BYTES } else { FULL_HEADER_BYTES }
    }

    fn flags(self, is_sealed: bool) -> u8 {
        let parts = [(!self.is_short, IS_FULL), (self.to.is_some(), IS_ADDRESSED), (is_sealed, IS_SEALED)];
        parts.iter().filter(|(is_set, _)| *is_set).fold(VERSION, |flags, (_, bit)| flags | bit)
    }
}

/// Frames what one process sends and opens what it gets.
pub struct Framer {
    me: Sender,
    cluster: Vec<u8>,
    keys: KeyRing,
    counter: u64,
    windows: Windows,
}

impl Framer {
    /// `counter` must be above every counter that this process (node id and generation) may have used: microseconds
    /// of the wall clock do.
    pub fn new(me: Sender, cluster: &str, (keys, counter): (KeyRing, u64)) -> Self {
        Self { me, cluster: cluster.as_bytes().to_vec(), keys, counter, windows: Windows::default() }
    }

    /// The first key seals from now on; all of them open.
    pub fn set_keys(&mut self, keys: KeyRing) {
        self.keys = keys;
    }

    /// A packet around `body`, which must not be longer than [`BODY_BYTES_MAX`].
    pub fn wrap(&mut self, envelope: Envelope, body: &[u8]) -> Vec<u8> {
        self.counter += 1;
        let mut header = self.header(envelope);
        let bound = self.bound(&header, (self.me, envelope.to));
        match self.keys.seal(nonce(&header), &bound, body) {
            Some(sealed) => header.extend_from_slice(&sealed),
            None => add_plain(&mut header, &bound, body),
        }
        header
    }

    fn header(&self, envelope: Envelope) -> Vec<u8> {
        let key = self.keys.sealing_id();
        let mut header = Vec::with_capacity(PACKET_BYTES_MAX);
        header.extend([envelope.flags(key.is_some()), key.unwrap_or(0)]);
        header.extend_from_slice(&self.me.alias().0);
        header.extend_from_slice(&self.counter.to_be_bytes()[1..]);
        if !envelope.is_short {
            header.extend_from_slice(&self.me.id.0.to_be_bytes());
            header.extend_from_slice(&self.me.generation.0.to_be_bytes());
        }
        header
    }

    /// What the seal covers beside the body.
    fn bound(&self, header: &[u8], (from, to): (Sender, Option<NodeId>)) -> Vec<u8> {
        let to = to.unwrap_or_default();
        let mut bound = Vec::with_capacity(96 + self.cluster.len());
        bound.extend_from_slice(header);
        bound.extend_from_slice(&from.id.0.to_be_bytes());
        bound.extend_from_slice(&from.generation.0.to_be_bytes());
        bound.extend_from_slice(&to.0.to_be_bytes());
        bound.extend_from_slice(&self.cluster);
        bound
    }

    /// Opens a packet. `known` finds the process that an alias stands for.
    pub fn unwrap(
        &mut self,
        packet: &[u8],
        known: impl Fn(Alias) -> Option<Sender>,
    ) -> Result<(Sender, Vec<u8>), Refusal> {
        let header = Header::read(packet)?;
        let from = header.sender.or_else(|| known(header.alias)).ok_or(Refusal::Stranger)?;
        self.check(&header, from)?;
        let to = (header.flags & IS_ADDRESSED != 0).then_some(self.me.id);
        let bound = self.bound(header.bytes, (from, to));
        let body = self.open(&header, &bound)?;
        self.windows.note(from, header.counter);
        Ok((from, body))
    }

    /// What can be refused before any cryptography.
    fn check(&self, header: &Header<'_>, from: Sender) -> Result<(), Refusal> {
        let is_sealed = header.flags & IS_SEALED != 0;
        if from.id == self.me.id {
            return Err(Refusal::Own);
        }
        match (is_sealed, self.keys.is_sealing()) {
            (false, false) => Ok(()),
            (true, true) => self.check_counter(header, from),
            _ => Err(Refusal::Key),
        }
    }

    fn check_counter(&self, header: &Header<'_>, from: Sender) -> Result<(), Refusal> {
        match self.windows.is_seen(from, header.counter) {
            true => Err(Refusal::Replay),
            false => Ok(()),
        }
    }

    fn open(&self, header: &Header<'_>, bound: &[u8]) -> Result<Vec<u8>, Refusal> {
        match header.flags & IS_SEALED != 0 {
            true => self.keys.open(header.key, nonce(header.bytes), (bound, header.content)),
            false => open_plain(bound, header.content),
        }
    }
}

fn nonce(header: &[u8]) -> &[u8] {
    header.get(2..SHORT_HEADER_BYTES).unwrap_or_default()
}

fn crc(bound: &[u8], body: &[u8]) -> [u8; CRC_BYTES] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(bound);
    crc.update(body);
    crc.finalize().to_be_bytes()
}

fn add_plain(packet: &mut Vec<u8>, bound: &[u8], body: &[u8]) {
    packet.extend_from_slice(body);
    packet.extend_from_slice(&crc(bound, body));
}

fn open_plain(bound: &[u8], content: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (body, found) = content.split_last_chunk::<CRC_BYTES>().ok_or(Refusal::Malformed)?;
    match *found == crc(bound, body) {
        true => Ok(body.to_vec()),
        false => Err(Refusal::Seal),
    }
}

struct Header<'a> {
    flags: u8,
    key: u8,
    alias: Alias,
    counter: u64,
    sender: Option<Sender>,
    bytes: &'a [u8],
    content: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(packet: &'a [u8]) -> Result<Self, Refusal> {
        if packet.len() > PACKET_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        let header = Self::read_fields(packet).ok_or(Refusal::Foreign)?;
        match header.flags & VERSION_BITS == VERSION && header.is_consistent() {
            true => Ok(header),
            false => Err(Refusal::Foreign),
        }
    }

    fn read_fields(packet: &'a [u8]) -> Option<Self> {
        let mut from = Reader(packet);
        let (flags, key) = (from.byte()?, from.byte()?);
        let alias = Alias(from.array()?);
        let [a, b, c, d, e, f, g] = from.array()?;
        let sender = match flags & IS_FULL != 0 {
            true => Some(Sender { id: from.id()?, generation: Generation(from.u64()?) }),
            false => None,
        };
        let (bytes, content) = packet.split_at_checked(packet.len() - from.0.len())?;
        let counter = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
        Some(Self { flags, key, alias, counter, sender, bytes, content })
    }

    /// A sender said in full is the one that its alias stands for.
    fn is_consistent(&self) -> bool {
        self.sender.is_none_or(|sender| sender.alias() == self.alias)
    }
}

#[cfg(test)]
#[path = "frame_test.rs"]
mod frame_test;
