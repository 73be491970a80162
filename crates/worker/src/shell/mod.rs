//! Carries out what the core decides: processes, files, calls to managers.
//!
//! ```text
//!   service ── calls of managers ─▶ Shell::decide ─▶ core ─▶ effects ─┬─ attempts ── one task each ─▶ process
//!   janitor ── time ──────────────────▲                               ├─ herald ── one task per job: progress, results
//!   restore ── what an earlier start left                             └─ files dropped
//! ```

mod attempts;
mod deliver;
mod find;
mod herald;
mod janitor;
mod logs;
mod restore;
mod service;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_link::Links;
use muster_runtime::{Clock, TaskKind, TaskScope};
use muster_swim::Swim;
use muster_wire::rpc::worker::CoresFree;
use muster_wire::{JobId, NodeRef, Token};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::config::WorkerConfig;
use crate::core::{Core, Counts, Effect, Mode, Stop};
use crate::process::log::LiveTail;
use crate::process::report::Report;
use crate::process::samples::Samples;
use crate::process::spawn;
use crate::store::{At, Folders, Owed, Records};
use crate::watchdog::START;

pub(crate) use find::sees_manager;
pub(crate) use restore::restore;
pub(crate) use service::service;

const CLEAN_UP: TaskKind = TaskKind::new("worker_clean_up");
const ROOM: TaskKind = TaskKind::new("worker_room");
const ROOM_WITHIN: Duration = Duration::from_secs(1);
const DISK: TaskKind = TaskKind::new("worker_disk");

/// What the shell is made of.
pub(crate) struct ShellParts {
    pub(crate) config: WorkerConfig,
    /// This worker as messages name it.
    pub(crate) me: NodeRef,
    pub(crate) datacenter: String,
    pub(crate) folders: Folders,
    pub(crate) records: Records,
    pub(crate) links: Links,
    pub(crate) swim: Swim,
    pub(crate) scope: TaskScope,
    pub(crate) clock: Clock,
}

/// A running worker's inside.
pub(crate) struct Shell {
    pub(crate) config: WorkerConfig,
    pub(crate) me: NodeRef,
    pub(crate) datacenter: String,
    pub(crate) folders: Folders,
    pub(crate) records: Records,
    pub(crate) links: Links,
    pub(crate) swim: Swim,
    pub(crate) scope: TaskScope,
    pub(crate) clock: Clock,
    pub(crate) samples: Arc<Samples>,
    inherit: Arc<Vec<(OsString, OsString)>>,
    engine: Mutex<Engine>,
    /// Counts the attempts that ended.
    ended: watch::Sender<u64>,
    epoch: Instant,
}

/// All that changes, behind one lock that is never held across an await.
struct Engine {
    core: Core,
    running: BTreeMap<At, Running>,
    owed: BTreeMap<At, Owed>,
    heralds: BTreeMap<JobId, Arc<Notify>>,
}

/// An attempt whose task runs.
struct Running {
    stop: watch::Sender<Option<Stop>>,
    report: watch::Receiver<Report>,
    /// Of the last row of progress.
    sequence: u64,
    started_at_ms: u64,
    /// The end of its log.
    tail: LiveTail,
}

impl Shell {
    pub(crate) fn new(parts: ShellParts) -> Arc<Self> {
        let core = Core::new(parts.config.limits.clone(), parts.me.generation);
        let engine =
            Engine { core, running: BTreeMap::new(), owed: BTreeMap::new(), heralds: BTreeMap::new() };
        let mut inherit = spawn::inherited();
        inherit.push((START.into(), start_mark(&parts.me).into()));
        Arc::new(Self {
            config: parts.config,
            me: parts.me,
            datacenter: parts.datacenter,
            records: parts.records,
            folders: parts.folders,
            links: parts.links,
            swim: parts.swim,
            scope: parts.scope,
            epoch: parts.clock.now(),
            clock: parts.clock,
            samples: Arc::default(),
            inherit: Arc::new(inherit),
            engine: Mutex::new(engine),
            ended: watch::Sender::new(0),
        })
    }

    /// Starts what goes on by itself.
    pub(crate) fn start(self: &Arc<Self>) {
        janitor::start(self);
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.epoch)
    }

    /// Lets the core decide, and carries its effects out in the same order as it decided.
    pub(crate) fn decide<R>(
        self: &Arc<Self>,
        decide: impl FnOnce(&mut Core, Duration, &mut Vec<Effect>) -> R,
    ) -> R {
        let mut engine = self.engine();
        let mut effects = Vec::new();
        let answer = decide(&mut engine.core, self.now(), &mut effects);
        effects.into_iter().for_each(|effect| self.carry_out(&mut engine, effect));
        answer
    }

    fn carry_out(self: &Arc<Self>, engine: &mut Engine, effect: Effect) {
        match effect {
            Effect::Start(order) => attempts::start(self, engine, order),
            Effect::Stop(job, key, stop) => engine.stop(At::new(job, key), stop),
            Effect::Wake(job) => herald::wake(self, engine, job),
            Effect::Drop(job) => self.drop_job(engine, job),
            Effect::Room(manager, job) => self.tell_room(manager, job),
        }
    }

    /// A hint: a manager that does not get it asks again by itself.
    fn tell_room(self: &Arc<Self>, manager: NodeRef, job: JobId) {
        let shell = self.clone();
        self.scope.spawn_until_stop(ROOM, async move {
            if let Err(error) = shell.links.call_node(&manager, &CoresFree { job }, ROOM_WITHIN).await {
                tracing::debug!(%job, %error, "a manager was not told that there is room");
            }
        });
    }

    /// Files go in a task of their own: it is not urgent, and the next start does what this one could not.
    fn drop_job(self: &Arc<Self>, engine: &mut Engine, job: JobId) {
        let dropped: Vec<At> = engine.owed.keys().filter(|at| at.job == job).copied().collect();
        dropped.iter().for_each(|at| drop(engine.owed.remove(at)));
        self.samples.forget(job);
        if let Some(wake) = engine.heralds.get(&job) {
            wake.notify_one();
        }
        let shell = self.clone();
        self.scope.spawn(CLEAN_UP, |_| async move { shell.drop_files(job, dropped).await });
    }

    async fn drop_files(&self, job: JobId, dropped: Vec<At>) {
        let (records, folder) = (self.records.clone(), self.folders.job(job));
        let work = move || {
            dropped.into_iter().for_each(|at| records.acknowledged(at));
            remove_folder(&folder);
        };
        self.on_disk(work).await;
    }

    /// Runs blocking work.
    pub(crate) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.scope.spawn_blocking(DISK, work).await
    }

    /// Where news of a job goes, and under which token.
    fn leader(&self, job: JobId) -> Option<(Option<NodeRef>, Token)> {
        self.engine().core.leader(job)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.engine().core.counts()
    }

    pub(crate) fn mode(&self) -> Mode {
        self.engine().core.mode()
    }

    /// Waits until the figures are as wanted; `false`: not within this time.
    pub(crate) async fn until(&self, within: Duration, wanted: impl Fn(Counts) -> bool) -> bool {
        const LOOK_EVERY: Duration = Duration::from_millis(10);
        let looking = async {
            while !wanted(self.counts()) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(within, looking).await.is_ok()
    }
}

/// Names one start of one worker: the watchdog knows its attempts by it.
pub(crate) fn start_mark(me: &NodeRef) -> String {
    format!("{}.{}", me.id, me.generation.0)
}

impl Engine {
    fn stop(&mut self, at: At, stop: Stop) {
        if let Some(running) = self.running.get(&at) {
            running.stop.send_replace(Some(stop));
        }
    }
}

fn remove_folder(folder: &std::path::Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(folder = %folder.display(), %error, "cannot remove a folder");
        }
        _ => {}
    }
}

#[cfg(test)]
mod shell_test;
#[cfg(test)]
mod testkit;
