//! The one thread that writes: drain what is ready, one write and one sync, tell those who waited, repeat.

use std::{io, sync::Arc, thread};

use crate::{GroupKey, Stats, WalError, fault::Fault, lock::lock, queue::Item, shared::Shared, store::Store};

/// The thread's state.
pub(crate) struct Writer {
    store: Store,
    shared: Arc<Shared>,
    /// Who waits for the batch in flight.
    load: Vec<Item>,
}

impl Writer {
    pub(crate) fn spawn(store: Store, shared: Arc<Shared>) -> io::Result<thread::JoinHandle<()>> {
        let writer = Self { store, shared, load: Vec::new() };
        writer.publish();
        thread::Builder::new().name("muster-wal".to_owned()).spawn(move || writer.run())
    }

    fn run(mut self) {
        let shared = self.shared.clone();
        let _guard = PanicGuard(&shared);
        let outcome = self.serve();
        if let Err(fault) = outcome.and_then(|()| self.store.close()) {
            shared.fail(fault.into(), self.load);
        }
    }

    fn serve(&mut self) -> Result<(), Fault> {
        while let Some(load) = self.shared.queue.take() {
            self.load = load;
            self.write()?;
            let forgotten = self.store.tidy()?;
            self.forget(forgotten);
            self.publish();
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Fault> {
        let records = self.load.iter_mut().flat_map(|item| std::mem::take(&mut item.records)).collect();
        self.store.commit(records)?;
        let seconds = metrics::histogram!("muster_wal_append_seconds");
        for item in self.load.drain(..) {
            seconds.record(item.watch.seconds());
            item.waiter.finish(Ok(()));
        }
        Ok(())
    }

    fn forget(&self, forgotten: Vec<GroupKey>) {
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
            records: totals.records,
            copies: totals.copies,
            segments_deleted: totals.segments_deleted,
            ..Stats::default()
        };
        metrics::gauge!("muster_wal_bytes").set(stats.bytes as f64);
        metrics::gauge!("muster_queue_depth", "queue" => "wal").set(self.shared.queue.depth().0 as f64);
        *lock(&self.shared.stats) = stats;
    }
}

/// A writer that panics must leave nobody waiting.
struct PanicGuard<'a>(&'a Shared);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let source = Arc::new(io::Error::other("the writer panicked"));
            self.0.fail(WalError::Failed { what: "go on writing", source }, Vec::new());
        }
    }
}
