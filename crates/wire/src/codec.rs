//! MessagePack of our own structs, by field name, so that a version may add fields. openraft's own serde output is
//! never stored nor sent.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest value that is encoded or decoded: a snapshot. A group whose state does not fit stops when its snapshot is
/// due; what comes over a link is bounded by its frame long before.
pub const VALUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes that are not the value they should be. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Longer than [`VALUE_BYTES_MAX`].
    #[error("value of {bytes} bytes is over the limit of {max}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Not decodable as the type asked for.
    #[error("malformed value: {0}")]
    Malformed(String),
}

/// Encodes a value as MessagePack with field names.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = rmp_serde::to_vec_named(value).map_err(|error| CodecError::Malformed(error.to_string()))?;
    check_size(bytes.len())?;
    Ok(bytes)
}

/// Decodes one value; trailing bytes are an error.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    check_size(bytes.len())?;
    let mut reader = rmp_serde::Deserializer::new(std::io::Cursor::new(bytes));
    reader.set_max_depth(128);
    let value = T::deserialize(&mut reader).map_err(|error| CodecError::Malformed(error.to_string()))?;
    match reader.position() == bytes.len() as u64 {
        true => Ok(value),
        false => Err(CodecError::Malformed("bytes after the value".into())),
    }
}

fn check_size(bytes: usize) -> Result<(), CodecError> {
    match bytes > VALUE_BYTES_MAX {
        true => Err(CodecError::TooLarge { bytes, max: VALUE_BYTES_MAX }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_bytes_are_malformed() {
        let mut bytes = encode(&7_u32).unwrap();
        bytes.push(0);
        assert!(matches!(decode::<u32>(&bytes), Err(CodecError::Malformed(_))));
    }

    #[test]
    fn a_claimed_length_beyond_the_input_is_malformed() {
        // bin32 that claims 4 GiB
        assert!(decode::<serde_bytes::ByteBuf>(&[0xc6, 0xff, 0xff, 0xff, 0xff, 1, 2]).is_err());
    }
}
