//! `muster`: see the library.

fn main() -> std::process::ExitCode {
    muster_cli::main_with(std::env::args_os().collect())
}
