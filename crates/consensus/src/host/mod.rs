//! The hosts of groups.
pub mod directory;
