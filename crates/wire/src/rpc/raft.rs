//! Filled below.

/// Number and name of each call of this module.
pub const METHODS: &[(u32, &str)] = &[];
