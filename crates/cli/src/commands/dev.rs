//! `muster dev`: a whole cluster in one process.

use std::path::{Path, PathBuf};

use muster_node::config::{LogFormat, TelemetrySection};
use muster_node::telemetry;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use super::submit::submit;
use crate::args::Dev;
use crate::context::Context;
use crate::dev::{Layout, Nodes};
use crate::exit;
use crate::failure::Failure;
use crate::follow;
use crate::job_file::JobFile;

pub(crate) async fn run(context: &Context, args: Dev) -> Result<u8, Failure> {
    let file = args.run.as_deref().map(JobFile::read).transpose()?;
    if let Some(file) = &file {
        file.validate()?;
    }
    init_logs()?;
    let home = Home::open(args.data_dir.clone())?;
    let mut layout = Layout::bind(&args, home.path()).await?;
    let gates = layout.gates();
    context.out.note(&format!("starting {}; data in {}", describe(&args), home.path().display()));
    let nodes = Nodes::start(&mut layout).await?;
    context.out.note(&format!("ready: {}", gates.join(" ")));
    let outcome = serve(context, &args, gates, file).await;
    for late in nodes.stop().await {
        context.out.note(&format!("stopped without waiting any longer: {late}"));
    }
    outcome
}

async fn serve(
    context: &Context,
    args: &Dev,
    gates: Vec<String>,
    file: Option<JobFile>,
) -> Result<u8, Failure> {
    let Some(file) = file else { return until_interrupted(context, &gates).await };
    let client = context.client_of(gates)?;
    let id = submit(context, &client, (file.into_submission(None), None)).await?;
    let code = follow::to_the_end(context, &client, &id).await;
    if args.data_dir.is_none() && matches!(code, Ok(exit::INTERRUPTED)) {
        context.out.note("the cluster's data was temporary: the job ends with it");
    }
    code
}

async fn until_interrupted(context: &Context, gates: &[String]) -> Result<u8, Failure> {
    context
        .out
        .note(&format!("submit with `muster --gate {} submit FILE`; ctrl-C stops the cluster", gates[0]));
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(exit::DONE)
}

fn describe(args: &Dev) -> String {
    let count = |number: u32, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let (gates, dcs) = (count(args.gates, "gate"), count(args.dcs, "datacenter"));
    format!("{gates}, {dcs} of {} and {}", count(args.managers, "manager"), count(args.workers, "worker"))
}

/// Errors only, unless `MUSTER_TELEMETRY_LOG` asks for more: the screen belongs to the job.
fn init_logs() -> Result<(), Failure> {
    let log = std::env::var("MUSTER_TELEMETRY_LOG").unwrap_or_else(|_| "error,openraft=off".into());
    let section = TelemetrySection { log, log_format: LogFormat::Text };
    telemetry::init(&section).map_err(|error| Failure::usage(error.to_string()))
}

/// Where the cluster keeps its data; a temporary one goes with the process.
enum Home {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Home {
    fn open(dir: Option<PathBuf>) -> Result<Self, Failure> {
        match dir {
            Some(dir) => {
                std::fs::create_dir_all(&dir)?;
                Ok(Self::Kept(std::path::absolute(dir)?))
            }
            None => Ok(Self::Temporary(tempfile::Builder::new().prefix("muster-dev-").tempdir()?)),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(dir) => dir,
            Self::Temporary(dir) => dir.path(),
        }
    }
}
