//! The `main` of the node programs: flags, configuration, logs, signals, exit codes.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::BoxFuture;
use muster_machine::Machine;
use muster_runtime::task::Late;
use muster_runtime::{Clock, TaskScope};
use muster_wire::Role;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::boot::{Base, BootParts, Listeners, Node};
use crate::config::{Config, Flags, command};
use crate::telemetry;

/// From the signal to the end of the process, at most.
pub const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Kept back from [`STOP_WITHIN`] for the end of the runtime.
const EXIT_MARGIN: Duration = Duration::from_millis(500);

const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// What went wrong while a node started.
pub type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// A started node, as far as its process is concerned.
pub trait Stop: Send + 'static {
    /// Ends everything within a time; names the tasks that are late.
    fn stop(&self, within: Duration) -> BoxFuture<'_, Result<(), Late>>;
}

impl Stop for Base {
    fn stop(&self, within: Duration) -> BoxFuture<'_, Result<(), Late>> {
        Box::pin(self.shutdown(within))
    }
}

impl<M: Machine> Stop for Node<M> {
    fn stop(&self, within: Duration) -> BoxFuture<'_, Result<(), Late>> {
        Box::pin(self.shutdown(within))
    }
}

/// Which program this is.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Such as `muster-gate`.
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    /// What its nodes are.
    pub role: Role,
}

/// Runs a node program: reads flags and configuration, starts the node with `start`, waits for SIGTERM or SIGINT, stops
/// it. 0: stopped when told to; 1: it failed; 2: usage or configuration.
pub fn run<F, Fut, N>(program: Program, arguments: Vec<OsString>, start: F) -> ExitCode
where
    F: FnOnce(BootParts) -> Fut,
    Fut: Future<Output = Result<N, AnyError>>,
    N: Stop,
{
    let config = match configure(program, arguments) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if let Err(error) = telemetry::init(&config.telemetry) {
        eprintln!("{error}");
        return ExitCode::from(USAGE);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let code = runtime.block_on(live(config, start));
    runtime.shutdown_timeout(EXIT_MARGIN);
    code
}

/// Flags and configuration; `Err` when there is nothing more to do.
fn configure(program: Program, arguments: Vec<OsString>) -> Result<Config, ExitCode> {
    let matches = command(program.name, program.about).try_get_matches_from(arguments).map_err(|error| {
        let _ = error.print();
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
    })?;
    let usage = |text: String| {
        eprintln!("{text}");
        ExitCode::from(USAGE)
    };
    let flags = Flags::read(&matches, environment()).map_err(usage)?;
    let config = Config::load(program.role, &flags.sources).map_err(|faults| usage(faults.to_string()))?;
    if flags.check {
        println!("the configuration is without fault");
        return Err(ExitCode::SUCCESS);
    }
    Ok(config)
}

/// Variables that are not UTF-8 are none of ours.
fn environment() -> Vec<(String, String)> {
    let variables = std::env::vars_os();
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

async fn live<F, Fut, N>(config: Config, start: F) -> ExitCode
where
    F: FnOnce(BootParts) -> Fut,
    Fut: Future<Output = Result<N, AnyError>>,
    N: Stop,
{
    let (scope, clock) = (TaskScope::new(), Clock::system());
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return fail(&error),
    };
    let name = config.node.name.clone();
    let starting = start(BootParts { config, scope: scope.clone(), clock, listeners: Listeners::default() });
    let started = tokio::select! {
        started = starting => started,
        signal = signals.next() => {
            tracing::info!(signal, "stopping before the start was complete");
            return stopped(scope.shutdown(STOP_WITHIN - EXIT_MARGIN).await, ExitCode::SUCCESS);
        }
    };
    match started {
        Ok(node) => {
            tracing::info!(name, "started");
            until_stopped(&node, &scope, &mut signals).await
        }
        Err(error) => {
            let _ = scope.shutdown(STOP_WITHIN - EXIT_MARGIN).await;
            fail(error.as_ref())
        }
    }
}

async fn until_stopped<N: Stop>(node: &N, scope: &TaskScope, signals: &mut Signals) -> ExitCode {
    let stop = scope.stop_token();
    let code = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "stopping");
            ExitCode::SUCCESS
        }
        () = stop.cancelled() => {
            tracing::error!("a vital part has failed: this node stops");
            ExitCode::from(FAILED)
        }
    };
    let stopping = node.stop(STOP_WITHIN - EXIT_MARGIN);
    let outcome = tokio::select! {
        outcome = stopping => outcome,
        signal = signals.next() => {
            tracing::warn!(signal, "a second signal: not waiting any longer");
            return code;
        }
    };
    stopped(outcome, code)
}

fn stopped(outcome: Result<(), Late>, code: ExitCode) -> ExitCode {
    match outcome {
        Ok(()) => tracing::info!("stopped"),
        Err(late) => tracing::warn!(%late, "stopped without waiting any longer"),
    }
    code
}

/// Said where the logs go, and plainly.
fn fail(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = match text.contains(&cause.to_string()) {
            true => text,
            false => format!("{text}: {cause}"),
        };
        source = cause.source();
    }
    tracing::error!("{text}");
    eprintln!("{text}");
    ExitCode::from(FAILED)
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
