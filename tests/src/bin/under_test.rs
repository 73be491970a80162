//! Every program of muster in one: the first argument says which.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let program = if args.len() > 1 { args.remove(1) } else { OsString::new() };
    match program.to_string_lossy().as_ref() {
        "gate" => muster_gate::main_with(args),
        "manager" => muster_manager::main_with(args),
        "worker" => muster_worker::main_with(args),
        "muster" => muster_cli::main_with(args),
        _ => ExitCode::from(2),
    }
}
