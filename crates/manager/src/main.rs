//! `muster-manager`: a manager node.

fn main() -> std::process::ExitCode {
    muster_manager::main_with(std::env::args_os().collect())
}
