//! The one source of randomness: jitter, ids, shuffles.

use rand::RngExt as _;

/// 128 random bits, for ids.
pub fn bits128() -> u128 {
    rand::rng().random()
}

/// 64 random bits.
pub fn bits64() -> u64 {
    rand::rng().random()
}

/// A uniform number in `0..bound`; 0 when `bound` is 0.
pub fn below(bound: u64) -> u64 {
    match bound {
        0 => 0,
        _ => rand::rng().random_range(0..bound),
    }
}
