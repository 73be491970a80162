//! Remote calls.
