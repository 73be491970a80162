//! What the handles and the threads of the log share.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use muster_allocator::lasting;

use crate::{
    Damage, GroupKey, Options, Stats, WalError,
    cache::Cache,
    disk::Disk,
    item::Item,
    ledger::{Shelves, lives_below},
    lock::{lock, write},
    queue::Queue,
    space::Space,
    view::{GroupCell, Health, View},
};

type OnFailure = Box<dyn FnOnce(WalError) + Send>;

/// Locks are taken in this order: registry, a group's view, the queue, shelves. Callbacks run under none of them.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) registry: Mutex<Registry>,
    pub(crate) stats: Mutex<Stats>,
    pub(crate) cache: Cache,
    pub(crate) disk: Arc<dyn Disk>,
    /// Groups whose purges would free the most, until somebody asks.
    pub(crate) slow: Mutex<BTreeSet<GroupKey>>,
    on_failure: Mutex<Vec<OnFailure>>,
}

/// Which groups there are.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) live: BTreeMap<GroupKey, Arc<GroupCell>>,
    /// Closed lives of which something may still be on disk.
    pub(crate) closed: BTreeSet<GroupKey>,
    pub(crate) shelves: Shelves,
}

/// Where a log's bytes go and how much room there is.
pub(crate) struct Ground {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) space: Arc<Space>,
}

impl Shared {
    pub(crate) fn new(options: &Options, ground: Ground, registry: Registry) -> Self {
        Self {
            queue: Queue::new(options, ground.space),
            registry: Mutex::new(registry),
            stats: Mutex::default(),
            cache: Cache::new(options.cache_bytes),
            disk: ground.disk,
            slow: Mutex::default(),
            on_failure: Mutex::default(),
        }
    }

    /// The log is dead from here on; everyone who waits is told, then everyone who asked to be.
    pub(crate) fn fail(&self, error: WalError, load: impl IntoIterator<Item = Item>) {
        tracing::error!(%error, cause = ?error, "the log failed; nothing more is written");
        let waiting = self.queue.fail(error.clone());
        load.into_iter().chain(waiting).for_each(|mut item| item.waiter.finish(Err(error.clone())));
        let callbacks = std::mem::take(&mut *lock(&self.on_failure));
        callbacks.into_iter().for_each(|callback| callback(error.clone()));
    }

    pub(crate) fn on_failure(&self, callback: OnFailure) {
        let mut callbacks = lock(&self.on_failure);
        let Some(error) = self.queue.failed() else { return callbacks.push(callback) };
        drop(callbacks);
        callback(error);
    }

    /// A life that was found damaged takes nothing more.
    pub(crate) fn quarantine(&self, damage: Damage) {
        metrics::counter!("muster_wal_damaged_groups_total").increment(1);
        let cell = lock(&self.registry).live.get(&damage.key).cloned();
        let Some(cell) = cell else { return };
        let freed = write(&cell.view).end(Health::Damaged(Box::new(damage)));
        self.cache.shrink(freed);
    }

    pub(crate) fn name_slow(&self, groups: Vec<GroupKey>) {
        let mut slow = lock(&self.slow);
        slow.clear();
        slow.extend(groups);
    }
}

impl Registry {
    pub(crate) fn is_known(&self, key: GroupKey) -> bool {
        self.live.contains_key(&key) || self.closed.contains(&key)
    }

    pub(crate) fn is_over(&self, key: GroupKey) -> bool {
        self.closed.contains(&key) || self.newer_than(key).is_some()
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

    /// Closes these lives by what `push` puts into the queue: no record of theirs can come behind it. Gives back the
    /// bytes that they held in memory.
    pub(crate) fn bury(
        &mut self,
        keys: &[GroupKey],
        push: impl FnOnce() -> Result<(), WalError>,
    ) -> Result<usize, WalError> {
        let cells: Vec<_> = keys.iter().filter_map(|key| self.live.get(key).cloned()).collect();
        let mut views: Vec<_> = cells.iter().map(|cell| write(&cell.view)).collect();
        push()?;
        let freed = views.iter_mut().map(|view| view.end(Health::Removed)).sum();
        for key in keys {
            self.live.remove(key);
            self.closed.insert(*key);
        }
        Ok(freed)
    }

    pub(crate) fn adopt(&mut self, key: GroupKey, view: View) -> Arc<GroupCell> {
        lasting(|| {
            let cell = Arc::new(GroupCell::new(key, view, self.shelves.get_or_make(key)));
            self.live.insert(key, cell.clone());
            cell
        })
    }
}
