//! After a restart: groups that were in use are opened one after the other, a few at a time. Callers do not wait for
//! their turn, they open what they need.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use muster_machine::Machine;
use muster_runtime::TaskKind;
use tokio::sync::Notify;

use super::Host;
use super::slot::Slot;

const COLD: TaskKind = TaskKind::vital("cold_groups");
/// Groups that are opened at the same time.
const AT_ONCE: usize = 8;
/// One that takes longer is left to itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// The groups that wait for their turn.
pub(crate) struct Cold<M: Machine> {
    waiting: Mutex<VecDeque<Arc<Slot<M>>>>,
    more: Notify,
}

impl<M: Machine> Default for Cold<M> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), more: Notify::new() }
    }
}

impl<M: Machine> Cold<M> {
    /// One more at the end.
    pub(crate) fn push(&self, slot: Arc<Slot<M>>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(slot);
    }

    fn pop(&self) -> Option<Arc<Slot<M>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

pub(crate) fn start<M: Machine>(host: &Arc<Host<M>>) {
    let host = host.clone();
    let scope = host.scope().clone();
    scope.spawn_until_stop(COLD, async move { host.open_cold().await });
}

impl<M: Machine> Host<M> {
    /// There may be more that wait.
    pub(crate) fn wake_cold(&self) {
        self.cold.more.notify_one();
    }

    async fn open_cold(self: &Arc<Self>) {
        loop {
            self.cold.more.notified().await;
            let waiting = stream::iter(std::iter::from_fn(|| self.cold.pop()));
            waiting.for_each_concurrent(AT_ONCE, |slot| self.open_one_cold(slot)).await;
        }
    }

    async fn open_one_cold(self: &Arc<Self>, slot: Arc<Slot<M>>) {
        self.open(&slot);
        if slot.settled(self.clock().now() + PATIENCE).await.is_err() {
            tracing::warn!(job = %slot.job(), "a group takes long to open");
        }
    }
}
