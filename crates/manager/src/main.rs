//! The manager node's program.

use std::process::ExitCode;

fn main() -> ExitCode {
    muster_manager::main(std::env::args_os().collect())
}
