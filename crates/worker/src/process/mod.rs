//! Shards as processes: one group each, its output read, its end certain.
//!
//! ```text
//!   attempt::run ── spawn ──▶ process group ──stdout, stderr──▶ pump ─┬─ lines starting with `::muster ` ─▶ report
//!        │                         ▲                                  └─ all other lines ─▶ log (bounded file)
//!        └── ending: SIGTERM, grace, SIGKILL
//! ```

pub(crate) mod attempt;
mod ending;
mod group;
pub(crate) mod leftovers;
mod lines;
pub(crate) mod log;
mod pump;
pub(crate) mod report;
pub(crate) mod samples;
pub(crate) mod spawn;

#[cfg(test)]
mod attempt_test;
