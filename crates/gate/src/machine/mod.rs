//! A job as the gates hold it: the replicated state of one group, and the twenty commands that change it.
//!
//! ```text
//!   table ── tag → guards, command ──▶ commands/* ──▶ state: record, submission, leadership, targets,
//!                                                     datacenters (lease, manager, progress, results)
//!   transition ── the only moves of a status          events ── the last 1,000 visible changes
//!   verdict ── final status from the datacenters' results          due ── when the job must be looked at again
//! ```
//!
//! No clock, no I/O, no configuration: every limit is a constant of the feature version or travels in a command.

mod callback;
pub mod commands;
pub mod datacenter;
mod due;
pub mod event;
mod guard;
mod leadership;
pub mod state;
pub mod table;
mod targets;
pub mod transition;
pub mod verdict;

#[cfg(test)]
mod conformance_test;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod property_test;

pub use callback::{Callback, DroppedCallback, Owed};
pub use datacenter::{Dc, DcLease, DcManager, DcProgress, Standing};
pub use event::{Event, What};
pub use leadership::Leadership;
pub use state::{GateJob, MemberChange, Record, Settled, Submission};
pub use targets::Targets;
pub use verdict::{Verdict, verdict};
