//! Whole clusters of processes. One at a time: the machine that runs this may have two cores.

mod cancel;
mod crash_windows;
mod failover;
mod founding;
mod happy;
mod http;
mod idempotency;
mod pause;
mod program;
mod resources;
mod support;
