//! Workers.
pub mod core;
mod process;
