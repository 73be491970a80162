//! `muster-gate`: a gate node.

use std::process::ExitCode;

use muster_node::process::{Program, run};
use muster_wire::Role;

fn main() -> ExitCode {
    let program = Program {
        name: "muster-gate",
        about: "A gate: accepts jobs and hands them to datacenters",
        role: Role::Gate,
    };
    run(program, std::env::args_os().collect(), |parts| async { Ok(muster_gate::run(parts).await?) })
}
