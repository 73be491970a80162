//! One attempt from its order to its exit.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use muster_runtime::{CancellationToken, Clock};
use muster_wire::job::{Exit, ExitKind};
use muster_wire::rpc::worker::StartShard;
use nix::sys::signal::Signal;
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio::sync::watch;
use tokio::time::Instant;

use super::ending::{Ending, Status, exit_of_stop};
use super::group::Group;
use super::log::{LiveTail, LogWriter};
use super::pump::Recorder;
use super::report::Report;
use super::samples::Sampler;
use super::spawn;
use crate::core::Stop;

/// After the processes are gone, what they wrote is read for at most so long: one that left the group may hold the pipe.
const DRAIN: Duration = Duration::from_secs(1);

/// The command without a process, in builds for benches.
const NOOP: &str = "muster:noop";

/// What to run and where.
pub(crate) struct Launch {
    pub(crate) order: Box<StartShard>,
    /// The attempt's own folder.
    pub(crate) folder: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) log_bytes_max: usize,
    pub(crate) inherit: Arc<Vec<(OsString, OsString)>>,
    pub(crate) clock: Clock,
    pub(crate) sampler: Sampler,
    /// The end of the log while it is being written.
    pub(crate) tail: LiveTail,
}

/// How to talk with a running attempt.
pub(crate) struct Controls {
    pub(crate) stop: watch::Receiver<Option<Stop>>,
    pub(crate) report: watch::Sender<Report>,
    /// The node stops at once.
    pub(crate) abort: CancellationToken,
}

/// An attempt whose processes are gone.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    pub(crate) report: Report,
    /// 0: no process was started.
    pub(crate) started_at_ms: u64,
    pub(crate) finished_at_ms: u64,
}

struct Running {
    child: Child,
    group: Group,
    out: ChildStdout,
    err: ChildStderr,
}

/// Runs an attempt; returns when none of its group's processes is left.
pub(crate) async fn run(launch: &Launch, controls: Controls) -> Ended {
    let started_at_ms = launch.clock.unix_ms();
    if is_noop(launch) {
        return Ended {
            exit: Exit::code(0),
            report: Report::default(),
            started_at_ms,
            finished_at_ms: started_at_ms,
        };
    }
    match start(launch, &controls).await {
        Ok(running) => watch_over(running, launch, controls, started_at_ms).await,
        Err(exit) => Ended {
            exit,
            report: Report::default(),
            started_at_ms: 0,
            finished_at_ms: launch.clock.unix_ms(),
        },
    }
}

/// Benches measure what is around a process with a command that is none.
fn is_noop(launch: &Launch) -> bool {
    cfg!(feature = "noop") && launch.order.run.command.first().is_some_and(|program| program == NOOP)
}

async fn start(launch: &Launch, controls: &Controls) -> Result<Running, Exit> {
    let prepared = spawn::prepare(&launch.folder, &launch.order.run).await;
    prepared.map_err(|error| failed(format!("cannot make its folder: {error}")))?;
    if let Some(stop) = *controls.stop.borrow() {
        let (kind, error) = exit_of_stop(stop.cause);
        return Err(Exit { kind, code: None, signal: None, error });
    }
    let program = launch.order.run.command.first().cloned().unwrap_or_default();
    let child = spawn::spawn(&launch.order, &launch.folder, &launch.inherit);
    let child = child.map_err(|error| failed(format!("cannot start `{program}`: {error}")))?;
    Running::new(child).ok_or_else(|| failed("the process has no id or no pipes".into()))
}

fn failed(why: String) -> Exit {
    Exit::because(ExitKind::SpawnFailed, why)
}

impl Running {
    fn new(mut child: Child) -> Option<Self> {
        let group = Group::of_leader(child.id()?)?;
        let (out, err) = (child.stdout.take()?, child.stderr.take()?);
        Some(Self { child, group, out, err })
    }
}

async fn watch_over(running: Running, launch: &Launch, controls: Controls, started_at_ms: u64) -> Ended {
    let Running { child, group, out, err } = running;
    let log = open_log(launch).await;
    let mut recorder = Recorder::new(log, controls.report.clone(), launch.sampler.clone());
    let run = &launch.order.run;
    let mut ending = Ending::new(launch.clock.now(), run.timeout_ms, run.grace_ms);
    let status = {
        let end = supervise((child, group), &mut ending, controls, &launch.clock);
        let pump = recorder.pump(out, err);
        until_end(end, pump).await
    };
    let (report, last_words) = recorder.finish().await;
    let exit = ending.exit(status, last_words);
    Ended { exit, report, started_at_ms, finished_at_ms: launch.clock.unix_ms() }
}

async fn open_log(launch: &Launch) -> Option<LogWriter> {
    let live = launch.tail.clone();
    let log = LogWriter::create(launch.log.clone(), launch.log_bytes_max, live).await;
    log.inspect_err(|error| tracing::warn!(%error, "cannot make a shard's log; it is dropped")).ok()
}

/// Pumps until the process ends, then until the pipes are empty or the time for that is over.
async fn until_end(end: impl Future<Output = Status>, pump: impl Future<Output = ()>) -> Status {
    tokio::pin!(end, pump);
    let status = tokio::select! {
        status = &mut end => status,
        () = &mut pump => return end.await,
    };
    let _over = tokio::time::timeout(DRAIN, pump).await;
    status
}

/// Waits for the main process, signalling the group as `ending` wants; then kills what is left of the group.
async fn supervise(
    (mut child, group): (Child, Group),
    ending: &mut Ending,
    mut controls: Controls,
    clock: &Clock,
) -> Status {
    let status = loop {
        let signal = tokio::select! {
            status = child.wait() => break status,
            stop = next_stop(&mut controls.stop) => ending.stop(stop, clock.now()),
            () = until(ending.deadline()) => ending.elapse(clock.now()),
            () = controls.abort.cancelled(), if ending.deadline().is_some() => ending.abort(),
        };
        group.signal(signal);
    };
    group.signal(Signal::SIGKILL);
    status_of(status)
}

fn status_of(status: std::io::Result<ExitStatus>) -> Status {
    let status = status.inspect_err(|error| tracing::warn!(%error, "cannot wait for a process"));
    status.map(|status| Status { code: status.code(), signal: status.signal() }).unwrap_or_default()
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The next order to stop that was not seen yet. Cancel-safe: an order is seen only when it is returned.
async fn next_stop(orders: &mut watch::Receiver<Option<Stop>>) -> Stop {
    loop {
        if orders.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        let order = *orders.borrow_and_update();
        if let Some(stop) = order {
            return stop;
        }
    }
}
