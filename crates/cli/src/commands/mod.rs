//! One file a command.

mod callback;
mod cancel;
mod cluster;
mod context;
mod dev;
mod explain;
mod init;
mod list;
mod logs;
mod members;
mod operate;
mod plan;
pub(crate) mod results;
mod stats;
mod status;
mod submit;
mod top;
mod validate;
mod version;
mod wal;
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
        Command::Plan(args) => plan::run(context, &args).await,
        Command::List(args) => list::run(context, args).await,
        Command::Status(args) => status::run(context, &args).await,
        Command::Watch(args) => watch::run(context, &args.job).await,
        Command::Results(args) => results::run(context, &args).await,
        Command::Stats(args) => stats::run(context, args).await,
        Command::Logs(args) => logs::run(context, args).await,
        Command::Explain(args) => explain::run(context, &args).await,
        Command::Cancel(args) => cancel::run(context, args).await,
        Command::Delete(args) => cancel::delete(context, &args).await,
        Command::Callback(command) => callback::run(context, command).await,
        Command::Context(command) => context::run(context, command).await,
        Command::Dcs => cluster::datacenters(context).await,
        Command::Workers(args) => operate::workers(context, args).await,
        Command::Group(command) => operate::group(context, command).await,
        Command::Node(command) => operate::node(context, command).await,
        Command::Top(args) => top::run(context, &args).await,
        Command::Members(args) => members::run(context, args).await,
        Command::Groups(args) => cluster::groups(context, args).await,
        Command::Completions(args) => completions(context, args.shell),
        Command::Wal(command) => wal::run(context, &command),
        Command::Version => version::run(context).await,
    }
}

fn completions(context: &Context, shell: clap_complete::Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "muster", &mut script);
    match context.out.json {
        true => {
            let script = String::from_utf8_lossy(&script);
            context.out.document(&serde_json::json!({"shell": shell.to_string(), "script": script}))?;
        }
        false => context.out.raw(&script)?,
    }
    Ok(crate::exit::DONE)
}
