//! `muster-groups node …` hosts groups; `muster-groups soak [short|NAMES…]` puts some such processes under faults.

use std::process::ExitCode;

use muster_groups::{node, soak, start_logs};

#[tokio::main]
async fn main() -> ExitCode {
    start_logs();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("muster-groups: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &[String]) -> anyhow::Result<()> {
    match args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("node", rest)) => node::run(node::NodeArgs::parse(rest)?).await,
        Some(("soak", rest)) => soak::run(rest).await,
        _ => anyhow::bail!("muster-groups node OWN DIR MEMBER… | muster-groups soak [short|NAMES…]"),
    }
}
