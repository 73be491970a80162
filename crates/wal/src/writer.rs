//! The one thread that writes: drain what is ready, one write and one sync, tell those who waited, repeat. And the keeper,
//! which makes segments ahead and takes them back.

use std::{collections::VecDeque, io, sync::Arc, thread, time::Duration};

use crate::{
    GroupKey, Stats, WalError,
    dir_lock::DirLock,
    fault::Fault,
    format::Record,
    item::Item,
    lock::lock,
    queue::{Batch, ITEMS_KEPT, Taken},
    rewrite::Slice,
    shared::Shared,
    spares::Spares,
    store::{Store, Tidied},
};

/// A log that was idle for so long attests its last batch.
const IDLE: Duration = Duration::from_millis(5);

/// The thread's state.
pub(crate) struct Writer {
    store: Store,
    shared: Arc<Shared>,
    /// Who waits for the batch in flight.
    load: Batch,
    keeper: Option<thread::JoinHandle<()>>,
    lock: Option<DirLock>,
}

impl Writer {
    pub(crate) fn spawn(
        store: Store,
        shared: Arc<Shared>,
        lock: Option<DirLock>,
    ) -> io::Result<thread::JoinHandle<()>> {
        let keeper = Some(spawn_keeper(store.spares.clone(), shared.clone())?);
        let writer = Self { keeper, lock, load: Batch::new(), ..Self::new(store, shared) };
        thread::Builder::new().name("muster-wal".to_owned()).spawn(move || writer.run())
    }

    /// Without threads of its own.
    pub(crate) fn new(store: Store, shared: Arc<Shared>) -> Self {
        let writer = Self { store, shared, load: Batch::without_spin(), keeper: None, lock: None };
        writer.publish();
        writer
    }

    fn run(mut self) {
        let shared = self.shared.clone();
        let spares = self.store.spares.clone();
        let _guard = PanicGuard(&shared, &spares);
        let outcome = self.serve();
        self.end(outcome);
    }

    /// Nothing more is to be written, or can be.
    pub(crate) fn end(mut self, outcome: Result<(), Fault>) {
        let outcome = outcome.and_then(|()| self.close());
        let shared = self.shared.clone();
        self.store.spares.close();
        if self.keeper.take().is_some_and(|keeper| keeper.join().is_err()) {
            tracing::error!("the keeper of spare segments panicked");
        }
        if let Err(fault) = outcome {
            shared.fail(fault.into(), self.load.items);
        }
        if let (Some(lock), true) = (self.lock, shared.queue.failed().is_some()) {
            lock.keep_for_ever();
        }
    }

    /// Nothing is written after the keeper has failed.
    fn close(&mut self) -> Result<(), Fault> {
        match self.shared.queue.failed() {
            Some(_) => Ok(()),
            None => self.store.close(),
        }
    }

    fn serve(&mut self) -> Result<(), Fault> {
        while self.turn(self.patience())? {}
        Ok(())
    }

    /// Writes what is ready within this time; false once the queue is closed and empty.
    pub(crate) fn turn(&mut self, wait: Option<Duration>) -> Result<bool, Fault> {
        if self.shared.queue.take(wait, &mut self.load) == Taken::Closed {
            return Ok(false);
        }
        self.write()?;
        let tidied = self.store.tidy()?;
        self.report(tidied);
        self.publish();
        Ok(true)
    }

    /// How long to wait for something to write.
    fn patience(&self) -> Option<Duration> {
        match (self.store.rewrite.is_some(), self.store.is_sealed()) {
            (true, _) => Some(Duration::ZERO),
            (false, false) => Some(IDLE),
            (false, true) => None,
        }
    }

    /// Copies go first: what waits may truncate what they copy.
    fn write(&mut self) -> Result<(), Fault> {
        let slice = self.store.copies()?;
        let all = || records(&slice, &self.load.items);
        if all().next().is_none() {
            return self.rest();
        }
        let written = self.store.write(all())?;
        self.answer();
        let told = self.load.items.len();
        self.store.note(records(&slice, &self.load.items), &written);
        slice.damaged.into_iter().for_each(|damage| self.shared.quarantine(damage));
        self.shared.cache.note(self.load.items.drain(..).filter_map(Item::settle));
        self.shared.queue.gather(told, &mut self.load);
        Ok(())
    }

    /// Nothing is to be written, but somebody may have asked for just that.
    fn rest(&mut self) -> Result<(), Fault> {
        self.store.seal()?;
        self.answer();
        self.load.items.clear();
        self.load.items.shrink_to(ITEMS_KEPT);
        Ok(())
    }

    /// Who waits is told before anything else is done: what follows goes on beside what they do next.
    fn answer(&mut self) {
        if self.load.items.is_empty() {
            return;
        }
        metrics::histogram!("muster_wal_append_seconds").record(self.load.since.seconds());
        self.load.items.iter_mut().for_each(|item| item.waiter.finish(Ok(())));
    }

    fn report(&self, tidied: Tidied) {
        self.forget(&tidied.forgotten);
        if !tidied.slow.is_empty() {
            self.shared.name_slow(tidied.slow);
        }
    }

    fn forget(&self, forgotten: &[GroupKey]) {
        if forgotten.is_empty() {
            return;
        }
        let mut registry = lock(&self.shared.registry);
        forgotten.iter().for_each(|key| {
            registry.closed.remove(key);
        });
    }

    fn publish(&self) {
        let totals = self.store.totals;
        let stats = Stats {
            bytes: self.store.bytes(),
            segments: self.store.segments(),
            live_bytes: self.store.ledger.live_total(),
            syncs: totals.syncs,
            seals: totals.seals,
            records: totals.records,
            copies: totals.copies,
            segments_deleted: totals.segments_deleted,
            bytes_written: totals.bytes_written,
            spares: self.store.spares.count(),
            ..Stats::default()
        };
        metrics::gauge!("muster_wal_bytes").set(stats.bytes as f64);
        metrics::gauge!("muster_queue_depth", "queue" => "wal").set(self.shared.queue.depth().0 as f64);
        *lock(&self.shared.stats) = stats;
    }
}

/// In the order in which they are written.
fn records<'a>(slice: &'a Slice, load: &'a VecDeque<Item>) -> impl Iterator<Item = &'a Record> + Clone {
    slice.records.iter().chain(load.iter().flat_map(Item::records))
}

fn spawn_keeper(spares: Spares, shared: Arc<Shared>) -> io::Result<thread::JoinHandle<()>> {
    spares.hand_over();
    thread::Builder::new().name("muster-wal-keep".to_owned()).spawn(move || {
        let _guard = PanicGuard(&shared, &spares);
        if let Err(fault) = spares.keep() {
            shared.fail(fault.into(), Vec::new());
        }
    })
}

/// A thread that panics must leave nobody waiting.
struct PanicGuard<'a>(&'a Shared, &'a Spares);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.1.give_up();
            let source = Arc::new(io::Error::other("a thread of the log panicked"));
            self.0.fail(WalError::Failed { what: "go on writing", source }, Vec::new());
        }
    }
}
