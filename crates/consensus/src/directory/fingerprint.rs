//! 128 bits of a SHA-256: stands for a key or a digest where the whole is not needed.

use muster_wire::job::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The first 128 bits of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Fingerprint(#[serde(with = "serde_bytes")] [u8; 16]);

impl Fingerprint {
    /// Of an idempotency key.
    pub fn of_key(key: &str) -> Self {
        Self::first(&Sha256::digest(key.as_bytes()))
    }

    /// Of a body, by its digest.
    pub fn of_digest(digest: &Digest) -> Self {
        Self::first(&digest.0)
    }

    fn first(bytes: &[u8]) -> Self {
        let mut short = [0; 16];
        short.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self(short)
    }
}
