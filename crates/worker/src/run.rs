//! From a configuration to a running worker.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use muster_node::process::{self, Program, Stop};
use muster_node::{Base, BootError, BootParts};
use muster_runtime::TaskKind;
use muster_runtime::task::Late;
use muster_wire::{NodeRef, Role};

use crate::config::WorkerConfig;
use crate::http;
use crate::shell::{Shell, ShellParts, restore, service, start_mark};
use crate::store::{Folders, Records};
use crate::watchdog::{self, Watchdog};
use crate::worker::Worker;

const FOLDERS: TaskKind = TaskKind::new("worker_folders");

/// Why a worker does not run.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Identity, addresses or the failure detector.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The folders of the worker cannot be used: check `node.data_dir` and `worker.log_dir`.
    #[error("the worker's folders cannot be used: {0}")]
    Folders(#[from] std::io::Error),
}

/// A running worker. Cheap to clone: clones are the same worker.
#[derive(Clone)]
pub struct WorkerNode {
    /// What every node has.
    pub base: Base,
    worker: Arc<Worker>,
    /// Held as long as the worker runs.
    watchdog: Option<Arc<Watchdog>>,
}

/// Starts a worker: cleans up after an earlier process of it, then takes work. One boxed future, so that the node's code is generated here once and not in every program that starts one.
pub fn run(parts: BootParts) -> BoxFuture<'static, Result<WorkerNode, WorkerError>> {
    Box::pin(start(parts))
}

async fn start(parts: BootParts) -> Result<WorkerNode, WorkerError> {
    let base = Base::start(parts).await?;
    let shell = shell(&base).await?;
    restore(&shell).await?;
    shell.start();
    let worker = Arc::new(Worker { shell, additions: base.additions.clone() });
    worker.drain_if_told();
    base.links.serve(service(&worker));
    worker.show();
    base.set_plain_routes(http::routes(&worker));
    Ok(WorkerNode { base, worker, watchdog: None })
}

async fn shell(base: &Base) -> Result<Arc<Shell>, WorkerError> {
    let config = WorkerConfig::new(&base.config);
    let (data_dir, log_dir) = (base.config.node.data_dir.clone(), config.log_dir.clone());
    let made = base.scope.spawn_blocking(FOLDERS, move || {
        let folders = Folders::make(&data_dir, log_dir.as_deref())?;
        Records::open(&folders).map(|records| (folders, records))
    });
    let (folders, records) = made.await.ok_or(BootError::Stopped)??;
    Ok(Shell::new(ShellParts {
        config,
        me: me(base),
        datacenter: base.config.node.datacenter.clone(),
        folders,
        records,
        links: base.links.clone(),
        swim: base.swim.clone(),
        scope: base.scope.clone(),
        clock: base.clock.clone(),
    }))
}

fn me(base: &Base) -> NodeRef {
    NodeRef {
        id: base.identity.node,
        generation: base.identity.generation,
        member: base.identity.member,
        name: base.config.node.name.clone(),
        addr: base.rpc_advertised.clone(),
    }
}

impl WorkerNode {
    /// Is what runs here killed with this process, whatever ends it?
    pub fn is_watched(&self) -> bool {
        self.watchdog.is_some()
    }

    /// Takes no more work, stops what runs, tells or keeps its results, says goodbye and ends every task; names those
    /// that are late.
    pub async fn shutdown(&self, within: Duration) -> Result<(), Late> {
        let began = self.base.clock.now();
        self.worker.stop().await;
        self.base.shutdown(within.saturating_sub(self.base.clock.now() - began)).await
    }
}

impl Stop for WorkerNode {
    fn stop(&self, within: Duration) -> BoxFuture<'_, Result<(), Late>> {
        Box::pin(self.shutdown(within))
    }
}

/// The program `muster-worker`: runs until SIGTERM or SIGINT. 0: stopped when told to; 1: failed; 2: usage.
pub fn main_with(arguments: Vec<OsString>) -> ExitCode {
    let program =
        Program { name: "muster-worker", about: "A worker: runs shards as processes", role: Role::Worker };
    if let Some(code) = watchdog::run_if_told() {
        return code;
    }
    process::run(program, arguments, |parts| async { Ok(run_watched(parts).await?) })
}

/// A worker that is a process of its own.
async fn run_watched(parts: BootParts) -> Result<WorkerNode, WorkerError> {
    let mut node = run(parts).await?;
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let shell = &node.worker.shell;
    node.watchdog = watchdog::start(&arguments, &shell.folders.jobs, &start_mark(&shell.me)).map(Arc::new);
    Ok(node)
}
