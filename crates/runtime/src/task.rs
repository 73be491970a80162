//! No orphaned tasks: every task belongs to a scope, is counted by kind, ends on cancel and is waited for.
//!
//! A scope's children are cancelled with it. Whoever closes the scope learns who is late.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use metrics::Gauge;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Meter;

/// What a task is for: the label of `muster_tasks{kind}`, and what its panic means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskKind {
    /// A short stable name such as `link_reader`.
    pub name: &'static str,
    /// What happens when a task of this kind panics.
    pub on_panic: OnPanic,
}

impl TaskKind {
    /// A kind whose panic is logged and counted; the others go on.
    pub const fn new(name: &'static str) -> Self {
        Self { name, on_panic: OnPanic::Log }
    }

    /// A kind without which the node cannot serve: its panic cancels the whole scope.
    pub const fn vital(name: &'static str) -> Self {
        Self { name, on_panic: OnPanic::StopScope }
    }
}

/// What a panic in a task means for its scope.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum OnPanic {
    /// Logged and counted in `muster_task_panics_total`.
    Log,
    /// The scope is cancelled: the node stops rather than limps.
    StopScope,
}

/// Tasks that did not end before the deadline of [`TaskScope::shutdown`], by kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tasks still running after {waited:?}: {late:?}")]
pub struct Late {
    /// How long was waited.
    pub waited: Duration,
    /// Kind and number of the late tasks.
    pub late: Vec<(&'static str, usize)>,
}

static TASKS: Meter<Gauge, 1> = Meter::gauges("muster_tasks", ["kind"]);

#[derive(Default)]
struct Counts(Mutex<BTreeMap<&'static str, usize>>);

impl Counts {
    fn change(&self, kind: &'static str, by: isize) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(kind).or_default();
        *count = count.saturating_add_signed(by);
        TASKS.set([kind], *count as f64);
        if *count == 0 {
            counts.remove(kind);
        }
    }

    fn list(&self) -> Vec<(&'static str, usize)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(kind, count)| (*kind, *count)).collect()
    }
}

struct Counted {
    counts: Arc<Counts>,
    kind: &'static str,
}

impl Counted {
    fn new(counts: Arc<Counts>, kind: &'static str) -> Self {
        counts.change(kind, 1);
        Self { counts, kind }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counts.change(self.kind, -1);
    }
}

/// Where blocking work runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Blocking {
    /// On tokio's blocking pool.
    Pool,
    /// At once, in the task that asks for it.
    InPlace,
}

/// Owns tasks. Cheap to clone: clones are the same scope.
#[derive(Clone)]
pub struct TaskScope {
    tracker: TaskTracker,
    stop: CancellationToken,
    counts: Arc<Counts>,
    blocking: Blocking,
}

impl Default for TaskScope {
    fn default() -> Self {
        Self::new()
    }
}

impl TaskScope {
    /// A scope of its own (one per node).
    pub fn new() -> Self {
        Self::with(Blocking::Pool)
    }

    /// A scope whose blocking work runs in place: for simulations, in which everything happens on one thread.
    pub fn single_threaded() -> Self {
        Self::with(Blocking::InPlace)
    }

    fn with(blocking: Blocking) -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), counts: Arc::default(), blocking }
    }

    /// A part of this scope that can be stopped alone; stops with its parent. Counted in the same gauge.
    pub fn child(&self) -> Self {
        Self { tracker: TaskTracker::new(), stop: self.stop.child_token(), ..self.clone() }
    }

    /// The token that every task of this scope must watch.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Has the scope been told to stop?
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Spawns a task that ends by itself on `stop`. The future is given the token.
    #[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn<F, Fut>(&self, kind: TaskKind, task: F)
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let counted = Counted::new(self.counts.clone(), kind.name);
        let stop = self.stop.clone();
        let body = AssertUnwindSafe(task(stop.clone())).catch_unwind();
        self.tracker.spawn(async move {
            let outcome = body.await;
            drop(counted);
            note_panic(kind, &stop, outcome);
        });
    }

    /// Spawns a task that is dropped at its next await point when the scope stops: for work that owes nothing.
    pub fn spawn_until_stop<Fut>(&self, kind: TaskKind, task: Fut)
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.spawn(kind, |stop| async move {
            stop.run_until_cancelled_owned(task).await;
        });
    }

    /// Runs blocking work on tokio's blocking pool; `None` if it panicked.
    #[allow(clippy::disallowed_methods, reason = "the one place that spawns blocking work")]
    pub async fn spawn_blocking<T, F>(&self, kind: TaskKind, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let counted = Counted::new(self.counts.clone(), kind.name);
        let work = move || {
            let _counted = counted;
            work()
        };
        match self.blocking {
            Blocking::Pool => self.tracker.spawn_blocking(work).await.ok(),
            Blocking::InPlace => std::panic::catch_unwind(AssertUnwindSafe(work)).ok(),
        }
    }

    /// Kinds and numbers of the tasks now running in this scope's family.
    pub fn running(&self) -> Vec<(&'static str, usize)> {
        self.counts.list()
    }

    /// Tells every task to stop, without waiting.
    pub fn cancel(&self) {
        self.stop.cancel();
    }

    /// Stops every task and waits; names those that are late.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), Late> {
        self.stop.cancel();
        self.tracker.close();
        match tokio::time::timeout(deadline, self.tracker.wait()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Late { waited: deadline, late: self.running() }),
        }
    }
}

fn note_panic(kind: TaskKind, stop: &CancellationToken, outcome: Result<(), Box<dyn std::any::Any + Send>>) {
    let Err(panic) = outcome else { return };
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(kind = kind.name, panic = text, "a task panicked");
    metrics::counter!("muster_task_panics_total", "kind" => kind.name).increment(1);
    if kind.on_panic == OnPanic::StopScope {
        stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: TaskKind = TaskKind::new("test");

    #[tokio::test]
    async fn shutdown_ends_every_task_and_the_count_returns_to_zero() {
        let scope = TaskScope::new();
        scope.spawn(KIND, |stop| async move { stop.cancelled().await });
        scope.child().spawn_until_stop(KIND, std::future::pending());
        assert_eq!(scope.running(), [("test", 2)]);
        scope.shutdown(Duration::from_secs(5)).await.unwrap();
        tokio::time::timeout(Duration::from_secs(5), async {
            while !scope.running().is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ignores_stop_is_named() {
        let scope = TaskScope::new();
        scope.spawn(TaskKind::new("deaf"), |_| std::future::pending());
        let late = scope.shutdown(Duration::from_millis(10)).await.unwrap_err();
        assert_eq!(late.late, [("deaf", 1)]);
    }

    #[tokio::test]
    async fn the_panic_of_a_vital_task_stops_the_scope() {
        let scope = TaskScope::new();
        scope.spawn(TaskKind::vital("vital"), |_| async { panic!("on purpose") });
        scope.stop_token().cancelled().await;
    }
}
