//! `muster`: submits, follows and inspects jobs, and runs a whole cluster in one process (`muster dev`).

mod args;
mod commands;
mod context;
mod exit;
mod failure;
mod follow;
mod job_file;
mod output;
mod table;
mod when;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
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

fn fail(context: &context::Context, failure: &failure::Failure) -> ExitCode {
    context.out.failure(failure);
    ExitCode::from(failure.code)
}
