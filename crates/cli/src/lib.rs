//! The `muster` program: submits, follows and inspects jobs, and runs a whole cluster in one process (`muster dev`).

mod args;
mod commands;
mod context;
mod dev;
mod exit;
mod failure;
mod follow;
mod job_file;
mod more_args;
mod output;
mod table;
mod when;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

/// Every subcommand, such as `submit` or `group transfer`.
pub fn subcommands() -> Vec<String> {
    let command = <args::Cli as clap::CommandFactory>::command();
    command.get_subcommands().flat_map(names).collect()
}

fn names(command: &clap::Command) -> Vec<String> {
    let nested: Vec<String> = command
        .get_subcommands()
        .map(|inner| format!("{} {}", command.get_name(), inner.get_name()))
        .collect();
    match nested.is_empty() {
        true => vec![command.get_name().to_owned()],
        false => nested,
    }
}

/// Runs the program with its arguments, the program's name first.
pub fn main_with(args: Vec<OsString>) -> ExitCode {
    let cli = match args::Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &args),
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
fn usage(error: &clap::Error, args: &[OsString]) -> ExitCode {
    let is_wrong = error.use_stderr();
    match is_wrong && asks_for_json(args) {
        true => print_problem(error),
        false => _ = error.print(),
    }
    ExitCode::from(if is_wrong { exit::USAGE } else { exit::DONE })
}

/// The command line is wrong, so only its plainest forms are looked for.
fn asks_for_json(args: &[OsString]) -> bool {
    let is_flag = |arg: &OsString| arg == "-o" || arg == "--output";
    let one_word = ["-ojson", "-o=json", "--output=json"];
    args.windows(2).any(|pair| is_flag(&pair[0]) && pair[1] == "json")
        || args.iter().any(|arg| one_word.iter().any(|word| arg == word))
}

fn print_problem(error: &clap::Error) {
    let detail = error.render().to_string();
    let problem = failure::Failure::usage(detail.trim()).problem;
    eprintln!("{}", serde_json::to_string_pretty(&problem).unwrap_or(detail));
}

fn fail(context: &context::Context, failure: &failure::Failure) -> ExitCode {
    if !failure.is_silent() {
        context.out.failure(failure);
    }
    ExitCode::from(failure.code)
}
