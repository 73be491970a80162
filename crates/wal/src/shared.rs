//! What the handles and the writer's thread share.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use crate::{
    GroupKey, Options, Stats, WalError,
    ledger::lives_below,
    lock::{lock, write},
    queue::{Item, Queue},
    view::{GroupCell, View},
};

type OnFailure = Box<dyn FnOnce(WalError) + Send>;

/// Locks are taken in this order: registry, a group's view, the queue. Callbacks run under none of them.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) registry: Mutex<Registry>,
    pub(crate) stats: Mutex<Stats>,
    on_failure: Mutex<Vec<OnFailure>>,
}

/// Which groups there are.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) live: BTreeMap<GroupKey, Arc<GroupCell>>,
    /// Closed lives of which something may still be on disk.
    pub(crate) closed: BTreeSet<GroupKey>,
}

impl Shared {
    pub(crate) fn new(options: &Options, registry: Registry) -> Self {
        Self {
            queue: Queue::new(options),
            registry: Mutex::new(registry),
            stats: Mutex::default(),
            on_failure: Mutex::default(),
        }
    }

    /// The log is dead from here on; everyone who waits is told, then everyone who asked to be.
    pub(crate) fn fail(&self, error: WalError, load: Vec<Item>) {
        tracing::error!(%error, cause = ?error, "the log failed; nothing more is written");
        let waiting = self.queue.fail(error.clone());
        load.into_iter().chain(waiting).for_each(|item| item.waiter.finish(Err(error.clone())));
        let callbacks = std::mem::take(&mut *lock(&self.on_failure));
        callbacks.into_iter().for_each(|callback| callback(error.clone()));
    }

    pub(crate) fn on_failure(&self, callback: OnFailure) {
        let mut callbacks = lock(&self.on_failure);
        let Some(error) = self.queue.failed() else { return callbacks.push(callback) };
        drop(callbacks);
        callback(error);
    }
}

impl Registry {
    pub(crate) fn is_known(&self, key: GroupKey) -> bool {
        self.live.contains_key(&key) || self.closed.contains(&key)
    }

    /// The newest life of the group that is known, if it is newer than `key`.
    pub(crate) fn newer_than(&self, key: GroupKey) -> Option<u32> {
        let newer = key..=GroupKey { incarnation: u32::MAX, ..key };
        let live = self.live.range(newer.clone()).map(|(key, _)| key);
        let closed = self.closed.range(newer);
        live.chain(closed).map(|found| found.incarnation).max().filter(|found| *found > key.incarnation)
    }

    pub(crate) fn lives_below(&self, key: GroupKey) -> Vec<GroupKey> {
        self.live.range(lives_below(key)).map(|(key, _)| *key).collect()
    }

    /// Closes these lives by what `push` puts into the queue: no record of theirs can come behind it.
    pub(crate) fn bury(
        &mut self,
        keys: &[GroupKey],
        push: impl FnOnce() -> Result<(), WalError>,
    ) -> Result<(), WalError> {
        let cells: Vec<_> = keys.iter().filter_map(|key| self.live.get(key).cloned()).collect();
        let mut views: Vec<_> = cells.iter().map(|cell| write(&cell.view)).collect();
        push()?;
        views.iter_mut().for_each(|view| view.remove());
        for key in keys {
            self.live.remove(key);
            self.closed.insert(*key);
        }
        Ok(())
    }

    pub(crate) fn adopt(&mut self, key: GroupKey, view: View) -> Arc<GroupCell> {
        let cell = Arc::new(GroupCell::new(key, view));
        self.live.insert(key, cell.clone());
        cell
    }
}
