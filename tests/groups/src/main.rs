//! `muster-groups node …` hosts groups; `muster-groups soak [short|NAMES…]` puts some such processes under faults.

use std::process::ExitCode;

use muster_groups::{node, run_program, soak};

#[tokio::main]
async fn main() -> ExitCode {
    run_program("muster-groups", run).await
}

async fn run(args: &[String]) -> anyhow::Result<()> {
    match args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("node", rest)) => node::run(node::NodeArgs::parse(rest)?).await,
        Some(("soak", rest)) => soak::run(rest).await,
        _ => anyhow::bail!("muster-groups node OWN DIR MEMBER… | muster-groups soak [short|NAMES…]"),
    }
}
