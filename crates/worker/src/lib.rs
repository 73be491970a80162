//! muster-worker
pub mod core;
