//! The `muster` program: submits, follows and inspects jobs, and runs a whole cluster in one process (`muster dev`).

mod args;
mod commands;
mod context;
mod dev;
mod exit;
mod failure;
mod follow;
mod job_file;
mod output;
mod table;
mod when;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

/// Runs the program with its arguments, the program's name first.
pub fn main_with(args: Vec<OsString>) -> ExitCode {
    let cli = match args::Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let context = context::Context::new(cli.global);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&context, &error.into()),
    };
    let outcome = runtime.block_on(commands::run(&context, cli.command));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => fail(&context, &failure),
    }
}

/// Help and versions are answers, everything else is wrong usage.
fn usage(error: &clap::Error) -> ExitCode {
    let _ignored = error.print();
    match error.use_stderr() {
        true => ExitCode::from(exit::USAGE),
        false => ExitCode::from(exit::DONE),
    }
}

fn fail(context: &context::Context, failure: &failure::Failure) -> ExitCode {
    context.out.failure(failure);
    ExitCode::from(failure.code)
}
