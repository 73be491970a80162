//! Whole clusters of processes. One at a time: the machine that runs this may have two cores.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails in a helper here fails the test that called it"
)]

mod cancel;
mod cli;
mod commands;
mod crash_windows;
mod damage;
mod failover;
mod founding;
mod gate_commands;
mod happy;
mod http;
mod idempotency;
mod managers;
mod membership;
mod pause;
mod program;
mod quorum;
mod resources;
mod soak;
mod support;
mod webhook_tls;
