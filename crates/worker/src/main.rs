//! `muster-worker`: a worker node.

use std::process::ExitCode;

fn main() -> ExitCode {
    muster_worker::main_with(std::env::args_os().collect())
}
