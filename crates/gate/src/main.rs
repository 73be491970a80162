//! `muster-gate`: a gate node.

fn main() -> std::process::ExitCode {
    muster_gate::main_with(std::env::args_os().collect())
}
