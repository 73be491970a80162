//! One file a command.

mod cancel;
mod cluster;
mod dev;
mod explain;
mod init;
mod list;
mod logs;
pub(crate) mod results;
mod status;
mod submit;
mod validate;
mod version;
mod watch;

use clap::CommandFactory as _;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::failure::Failure;

/// Runs a command; the answer is the exit code.
pub(crate) async fn run(context: &Context, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Dev(args) => dev::run(context, args).await,
        Command::Init(args) => init::run(context, &args),
        Command::Submit(args) => submit::run(context, args).await,
        Command::Validate(args) => validate::run(context, &args),
        Command::List(args) => list::run(context, args).await,
        Command::Status(args) => status::run(context, &args).await,
        Command::Watch(args) => watch::run(context, &args.job).await,
        Command::Results(args) => results::run(context, &args).await,
        Command::Logs(args) => logs::run(context, args).await,
        Command::Explain(args) => explain::run(context, &args).await,
        Command::Cancel(args) => cancel::run(context, args).await,
        Command::Delete(args) => cancel::delete(context, &args).await,
        Command::Dcs => cluster::datacenters(context).await,
        Command::Members => cluster::members(context).await,
        Command::Groups(args) => cluster::groups(context, args).await,
        Command::Completions(args) => completions(args.shell),
        Command::Version => version::run(context).await,
    }
}

fn completions(shell: clap_complete::Shell) -> Result<u8, Failure> {
    clap_complete::generate(shell, &mut Cli::command(), "muster", &mut std::io::stdout());
    Ok(crate::exit::DONE)
}
