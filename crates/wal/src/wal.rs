//! The node's log: opening, groups as a whole, closing.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering},
    thread::{self, JoinHandle},
};

use crate::{
    Damage, Done, Entry, GroupError, GroupKey, GroupLog, Level, OpenError, Options, Stats, Summary, Vote,
    WalError,
    dir_lock::DirLock,
    disk::{Disk, RealDisk},
    fault::During,
    format::{Op, Record},
    group_log::entry_records,
    item::{Item, Lane},
    lock::{lock, read},
    sabotage::is_sabotaged,
    shared::{Ground, Registry, Shared},
    store::Store,
    view::{GroupCell, Health, View},
    writer::Writer,
};

/// Seeds are small: they are written in one batch.
const SEED_BYTES_MAX: usize = 8 << 20;

/// The log of a node, shared by all clones. It ends when [`Wal::close`] is called or the last clone and the last
/// [`GroupLog`] are gone; both write what was accepted before.
#[derive(Clone)]
pub struct Wal {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Wal {
    /// Opens or creates the log in `dir`: takes its lock, reads and verifies everything, starts the writer.
    ///
    /// # Errors
    /// A directory in use, a log of another node, member or version, damage to acknowledged bytes, or a disk error.
    pub fn open(dir: &Path, options: Options) -> Result<Wal, OpenError> {
        let lock = DirLock::take(dir)?;
        Self::start(Arc::new(RealDisk::new(dir)), options, Some(lock))
    }

    /// Like [`Wal::open`], on files that the caller provides and locks; for simulations.
    ///
    /// # Errors
    /// Those of [`Wal::open`] but [`OpenError::Locked`].
    pub fn open_on(disk: Arc<dyn Disk>, options: Options) -> Result<Wal, OpenError> {
        Self::start(disk, options, None)
    }

    fn start(disk: Arc<dyn Disk>, options: Options, lock: Option<DirLock>) -> Result<Wal, OpenError> {
        let Opened { store, shared } = open_store(disk, options)?;
        // What the log was read into goes back before others take it over as it is (`docs/decisions/045`).
        muster_allocator::collect(true);
        let thread = Writer::spawn(store, shared.clone(), lock).during("start the writer")?;
        Ok(Self { inner: Arc::new(Inner { shared, thread: Mutex::new(Some(thread)) }) })
    }

    /// Somebody else writes what is accepted.
    pub(crate) fn without_thread(shared: Arc<Shared>) -> Self {
        Self { inner: Arc::new(Inner { shared, thread: Mutex::new(None) }) }
    }

    /// The groups that exist, ascending.
    pub fn groups(&self) -> Vec<GroupKey> {
        self.registry(|registry| registry.live.keys().copied().collect())
    }

    /// The lives that must not be used because acknowledged records of theirs are damaged, ascending. Each ends with
    /// [`Wal::remove_group`] or with a higher incarnation.
    pub fn damaged(&self) -> Vec<Damage> {
        let cells: Vec<_> = self.registry(|registry| registry.live.values().cloned().collect());
        let health = cells.iter().map(|cell| read(&cell.view).health.clone());
        let damage = health.filter_map(|health| match health {
            Health::Damaged(damage) => Some(*damage),
            _ => None,
        });
        damage.collect()
    }

    /// What is known of a group without opening it; none for one that is not there.
    pub fn summary(&self, key: GroupKey) -> Option<Summary> {
        let cell = self.registry(|registry| registry.live.get(&key).cloned())?;
        Some(read(&cell.view).summary())
    }

    /// How full the log is: what should still be proposed.
    pub fn level(&self) -> Level {
        self.shared().queue.level()
    }

    /// The groups whose snapshots and purges would free the most, while the log is over its budget; each is named once.
    pub fn take_slow_groups(&self) -> Vec<GroupKey> {
        std::mem::take(&mut *lock(&self.shared().slow)).into_iter().collect()
    }

    /// Whether anything is recorded for this life of the group, its removal included.
    pub fn is_known(&self, key: GroupKey) -> bool {
        self.registry(|registry| registry.is_known(key))
    }

    /// Whether this life of the group has ended: it was removed, or a newer one is known.
    pub fn is_over(&self, key: GroupKey) -> bool {
        self.registry(|registry| registry.is_over(key))
    }

    /// The group's one handle; a group that is not there is created, which closes all its lower incarnations.
    /// The creation itself becomes durable with the first operation that waits for that.
    ///
    /// # Errors
    /// See [`GroupError`].
    pub fn open_group(&self, key: GroupKey) -> Result<GroupLog, GroupError> {
        let cell = self.registry(|registry| match registry.live.get(&key) {
            Some(cell) => Ok(cell.clone()),
            None => self.create_group(registry, key),
        })?;
        if let Health::Damaged(damage) = &read(&cell.view).health {
            return Err(GroupError::Damaged(**damage));
        }
        if cell.open.swap(true, Ordering::AcqRel) {
            return Err(GroupError::AlreadyOpen);
        }
        Ok(GroupLog::new(cell, self.clone()))
    }

    fn create_group(&self, registry: &mut Registry, key: GroupKey) -> Result<Arc<GroupCell>, GroupError> {
        if let Some(newest) = registry.newer_than(key) {
            return Err(GroupError::Superseded { newest });
        }
        if registry.closed.contains(&key) {
            return Err(GroupError::Removed);
        }
        let create = Record { key, op: Op::Create };
        let lower = registry.lives_below(key);
        self.bury(registry, &lower, || self.push(Item::new(Lane::Lazy, create, None)))?;
        Ok(registry.adopt(key, View::default()))
    }

    /// Closes lives of groups by what `push` puts into the queue.
    fn bury(
        &self,
        registry: &mut Registry,
        keys: &[GroupKey],
        push: impl FnOnce() -> Result<(), WalError>,
    ) -> Result<(), WalError> {
        let queue = &self.shared().queue;
        let freed = registry.bury(keys, || {
            keys.iter().for_each(|key| queue.forget_hint(*key));
            push()
        })?;
        self.shared().cache.shrink(freed);
        Ok(())
    }

    /// Creates the group with this vote and these entries, in one batch; at most 8 MiB.
    ///
    /// # Errors
    /// `NotEmpty` when anything is recorded for this life of the group, `Removed` when a newer one is known, `Busy`,
    /// `NotContiguous`, `TooLarge`, or that the log is closed or failed; then nothing changes and `done` never runs.
    #[allow(clippy::too_many_arguments, reason = "the parts of a group's first state, each of its own type")]
    pub fn seed(&self, key: GroupKey, vote: Vote, entries: Vec<Entry>, done: Done) -> Result<(), WalError> {
        let mut view = View::voted(vote);
        view.check_append(&entries)?;
        let mut records = vec![Record { key, op: Op::Create }, Record { key, op: Op::Vote(vote) }];
        records.extend(entry_records(key, &entries)?);
        check_seed(&records)?;
        let bytes = view.append(entries);
        self.registry(|registry| {
            check_vacant(registry, key)?;
            let lower = registry.lives_below(key);
            self.bury(registry, &lower, || self.push(Item::new(Lane::Normal, records, Some(done))))?;
            self.shared().cache.grow(bytes);
            registry.adopt(key, view);
            Ok(())
        })
    }

    /// Removes this life of the group: gone for its users at once, durably when `done` runs. Removing what is not there is
    /// recorded too.
    ///
    /// # Errors
    /// `Busy` only when a full disk has no byte for it, or that the log is closed or failed; then `done` never runs.
    pub fn remove_group(&self, key: GroupKey, done: Done) -> Result<(), WalError> {
        self.registry(|registry| {
            let tombstone = Record { key, op: Op::Tombstone };
            self.bury(registry, &[key], || self.push(Item::new(Lane::Reserved, tombstone, Some(done))))
        })
    }

    /// `done` runs when everything that was taken in before is durable.
    ///
    /// # Errors
    /// That the log is closed or failed; then `done` never runs.
    pub fn barrier(&self, done: Done) -> Result<(), WalError> {
        self.push(Item::new(Lane::Reserved, Vec::new(), Some(done)))
    }

    /// The first I/O error, for ever: nothing was or will be written after it.
    pub fn failed(&self) -> Option<WalError> {
        self.shared().queue.failed()
    }

    /// Calls `f` once when the log fails, on the writer's thread; at once when it has failed already.
    pub fn on_failure(&self, f: Box<dyn FnOnce(WalError) + Send>) {
        self.shared().on_failure(f);
    }

    /// The figures of this moment.
    pub fn stats(&self) -> Stats {
        let (queue_records, queue_bytes) = self.shared().queue.depth();
        let cache_bytes = self.shared().cache.bytes();
        Stats { queue_records, queue_bytes, cache_bytes, level: self.level(), ..*lock(&self.shared().stats) }
    }

    /// Writes what was accepted, ends the writer and releases the directory; all other handles answer `Closed` then.
    ///
    /// # Errors
    /// The error that the log failed with, now or before.
    pub fn close(self) -> Result<(), WalError> {
        self.inner.stop();
        match self.failed() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    pub(crate) fn push(&self, item: Item) -> Result<(), WalError> {
        self.shared().queue.push(item)
    }

    pub(crate) fn registry<T>(&self, f: impl FnOnce(&mut Registry) -> T) -> T {
        f(&mut lock(&self.shared().registry))
    }
}

impl fmt::Debug for Wal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wal").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Inner {
    /// A callback may drop the last handle on the writer's own thread, which cannot wait for itself.
    fn stop(&self) {
        self.shared.queue.close();
        let Some(thread) = lock(&self.thread).take() else { return };
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!("the log's writer panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A log that was read and verified, before anybody writes it.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) shared: Arc<Shared>,
}

pub(crate) fn open_store(disk: Arc<dyn Disk>, options: Options) -> Result<Opened, OpenError> {
    let (store, damage) = Store::open(disk.clone(), options.clone())?;
    let registry = registry_of(&store, &damage);
    let ground = Ground { disk, space: store.space.clone() };
    let shared = Arc::new(Shared::new(&options, ground, registry));
    Ok(Opened { store, shared })
}

fn registry_of(store: &Store, damage: &[Damage]) -> Registry {
    let mut registry = Registry { shelves: store.ledger.shelves.clone(), ..Registry::default() };
    for (key, shelf) in store.ledger.shelves.all() {
        let damage = damage.iter().find(|damage| damage.key == key).copied();
        let view = View::from_trace(&lock(&shelf), damage);
        registry.adopt(key, view);
    }
    registry.closed.extend(store.ledger.closed());
    registry
}

fn check_vacant(registry: &Registry, key: GroupKey) -> Result<(), WalError> {
    if registry.is_known(key) && !is_sabotaged("birth-once") {
        return Err(WalError::NotEmpty);
    }
    match registry.newer_than(key) {
        Some(_) => Err(WalError::Removed),
        None => Ok(()),
    }
}

fn check_seed(records: &[Record]) -> Result<(), WalError> {
    let bytes = records.iter().map(Record::bytes).sum();
    match bytes > SEED_BYTES_MAX {
        true => Err(WalError::TooLarge { bytes, bytes_max: SEED_BYTES_MAX }),
        false => Ok(()),
    }
}
