//! The cluster's keys. The first seals, all of them open: to change the key without a pause, give every node
//! [old, new], then every node [new, old], then every node [new].

use std::fmt;
use std::sync::Arc;

use aes_gcm_siv::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};

use crate::body::Refusal;

/// Keys held at the same time.
const KEYS_MAX: usize = 8;
const KEY_BYTES: usize = 32;

/// A key file that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyRingError {
    /// A line is not `<id> <64 hex digits>`.
    #[error("line {line} of the key file is not `<id 0..255> <64 hex digits>`")]
    Line {
        /// From 1.
        line: usize,
    },
    /// Two keys have one id.
    #[error("line {line} of the key file repeats the key id {id}")]
    Repeated {
        /// From 1.
        line: usize,
        /// The id.
        id: u8,
    },
    /// None, or over the number that a ring can hold.
    #[error("the key file has {found} keys, wanted are 1 to {KEYS_MAX}")]
    Count {
        /// How many it has.
        found: usize,
    },
}

/// The keys of a cluster, the one that seals first. Empty: packets are plain.
#[derive(Clone, Default)]
pub struct KeyRing {
    keys: Vec<(u8, Arc<Aes256GcmSiv>)>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

impl KeyRing {
    /// Reads a key file: one key a line, `<id> <64 hex digits>`, the sealing one first; `#` begins a comment.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let mut ring = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                ring.add(line, at + 1)?;
            }
        }
        match (1..=KEYS_MAX).contains(&ring.keys.len()) {
            true => Ok(ring),
            false => Err(KeyRingError::Count { found: ring.keys.len() }),
        }
    }

    fn add(&mut self, text: &str, line: usize) -> Result<(), KeyRingError> {
        let (id, key) = read_line(text).ok_or(KeyRingError::Line { line })?;
        if self.get(id).is_some() {
            return Err(KeyRingError::Repeated { line, id });
        }
        self.keys.push((id, Arc::new(Aes256GcmSiv::new(&key.into()))));
        Ok(())
    }

    /// Does it hold a key?
    pub fn is_sealing(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The ids of its keys, the sealing one first.
    pub fn ids(&self) -> Vec<u8> {
        self.keys.iter().map(|(id, _)| *id).collect()
    }

    pub(super) fn sealing_id(&self) -> Option<u8> {
        self.keys.first().map(|(id, _)| *id)
    }

    fn get(&self, id: u8) -> Option<&Aes256GcmSiv> {
        self.keys.iter().find(|(held, _)| *held == id).map(|(_, key)| &**key)
    }

    /// `None` without a key.
    pub(super) fn seal(&self, nonce: &[u8], bound: &[u8], body: &[u8]) -> Option<Vec<u8>> {
        let (_, key) = self.keys.first()?;
        let nonce: Nonce = <[u8; 12]>::try_from(nonce).ok()?.into();
        key.encrypt(&nonce, Payload { msg: body, aad: bound }).ok()
    }

    pub(super) fn open(
        &self,
        id: u8,
        nonce: &[u8],
        (bound, content): (&[u8], &[u8]),
    ) -> Result<Vec<u8>, Refusal> {
        let key = self.get(id).ok_or(Refusal::Key)?;
        let nonce: Nonce = <[u8; 12]>::try_from(nonce).map_err(|_| Refusal::Foreign)?.into();
        key.decrypt(&nonce, Payload { msg: content, aad: bound }).map_err(|_| Refusal::Seal)
    }
}

fn read_line(line: &str) -> Option<(u8, [u8; KEY_BYTES])> {
    let (id, hex) = line.split_once(char::is_whitespace)?;
    Some((id.parse().ok()?, read_hex(hex.trim())?))
}

fn read_hex(hex: &str) -> Option<[u8; KEY_BYTES]> {
    if hex.len() != 2 * KEY_BYTES || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; KEY_BYTES];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(key)
}
