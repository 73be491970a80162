//! Runs jobs in one datacenter: their state, and what acts on it.
//!
//! ```text
//!   machine/ ── pure: 21 commands on one replicated job
//!     ▲
//!   draft, settle ── one entry by trying commands on a scratch state; what follows from the state alone
//!     ▲
//!   service/ ── calls of gates and workers ── results, progress: desks that gather many into one entry
//!   reconcile/ ── one duty a file, for the jobs led here
//!   http ── this datacenter's part for people
//! ```

mod draft;
mod explain;
mod gates;
mod gauges;
mod http;
pub mod machine;
mod node;
mod per_job;
mod placing;
mod progress;
mod reconcile;
mod results;
mod run_spec;
mod seats;
mod service;
mod settle;
mod shared;
mod watch;
mod windows;

use std::ffi::OsString;
use std::process::ExitCode;

use muster_node::process::{self, Program};
use muster_wire::Role;

pub use node::ManagerNode;

/// The program `muster-manager`: reads flags and configuration, runs a manager until told to stop.
pub fn main_with(arguments: Vec<OsString>) -> ExitCode {
    let about = "Runs jobs in one datacenter, together with its other managers";
    let program = Program { name: "muster-manager", about, role: Role::Manager };
    process::run(program, arguments, |parts| async move { Ok(ManagerNode::start(parts).await?) })
}

#[cfg(test)]
mod manager_test;
#[cfg(test)]
mod testkit;
