//! Seals the secrets of webhooks under the gates' common key, so that logs and snapshots do not show them.

use muster_runtime::random;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};

/// First byte of a secret that is kept as it is: the gates have no key.
const PLAIN: u8 = 0;
/// First byte of a sealed secret; then the nonce and the ciphertext.
const SEALED: u8 = 1;

/// The gates' key for secrets, the same at every gate.
pub(crate) struct Seal {
    key: Option<LessSafeKey>,
}

/// A secret that this gate cannot open: its key is another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WrongKey;

impl Seal {
    /// From the configured text; without one, secrets are kept as they are.
    pub(crate) fn new(text: Option<&str>) -> Self {
        let bytes = text.map(|text| Sha256::digest(text.as_bytes()));
        let key = bytes.and_then(|bytes| UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok());
        Self { key: key.map(LessSafeKey::new) }
    }

    /// Seals a secret; `place` must be the same when it is opened.
    pub(crate) fn close(&self, secret: &[u8], place: &str) -> Result<Vec<u8>, WrongKey> {
        let Some(key) = &self.key else { return Ok([&[PLAIN], secret].concat()) };
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&random::bits128().to_le_bytes()[..NONCE_LEN]);
        let mut text = secret.to_vec();
        let used = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(used, Aad::from(place.as_bytes()), &mut text).map_err(|_| WrongKey)?;
        Ok([&[SEALED], nonce.as_slice(), &text].concat())
    }

    /// Opens what [`Seal::close`] gave, at any gate with the same key.
    pub(crate) fn open(&self, sealed: &[u8], place: &str) -> Result<Vec<u8>, WrongKey> {
        match sealed.split_first() {
            None => Ok(Vec::new()),
            Some((&PLAIN, secret)) => Ok(secret.to_vec()),
            Some((_, rest)) => self.decrypt(rest, place),
        }
    }

    fn decrypt(&self, rest: &[u8], place: &str) -> Result<Vec<u8>, WrongKey> {
        let (key, (nonce, text)) = self.key.as_ref().zip(rest.split_at_checked(NONCE_LEN)).ok_or(WrongKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| WrongKey)?;
        let mut text = text.to_vec();
        let secret =
            key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut text).map_err(|_| WrongKey)?;
        Ok(secret.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_with_its_key_and_at_its_place() {
        let (one, other) = (Seal::new(Some("a long key")), Seal::new(Some("another key")));
        let sealed = one.close(b"secret", "job url").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(one.open(&sealed, "job url").unwrap(), b"secret");
        assert_eq!(one.open(&sealed, "other place"), Err(WrongKey));
        assert_eq!(other.open(&sealed, "job url"), Err(WrongKey));
        assert_eq!(Seal::new(None).open(&sealed, "job url"), Err(WrongKey));
    }

    #[test]
    fn without_a_key_secrets_are_kept_as_they_are() {
        let seal = Seal::new(None);
        let kept = seal.close(b"secret", "x").unwrap();
        assert_eq!(seal.open(&kept, "y").unwrap(), b"secret");
        assert_eq!(seal.open(&[], "y").unwrap(), b"");
    }
}
