//! A log without threads: who opened it writes its batches. For simulations, in which nothing may happen by itself.

use std::{sync::Arc, time::Duration};

use crate::{
    Disk, OpenError, Options, Wal,
    fault::Fault,
    wal::{Opened, open_store},
    writer::Writer,
};

/// Writes what waits in a log that was opened by [`Wal::open_driven`].
pub struct Driver(Option<Writer>);

impl Driver {
    /// One batch, if anything waits: written, synced, and told to those who wait for it; then old segments are freed.
    /// False once the log is closed, or has failed: then nothing more will be written.
    pub fn step(&mut self) -> bool {
        let Some(writer) = &mut self.0 else { return false };
        let outcome = writer.turn(Some(Duration::ZERO));
        if matches!(outcome, Ok(true)) {
            return true;
        }
        self.end(outcome.map(drop));
        false
    }

    fn end(&mut self, outcome: Result<(), Fault>) {
        if let Some(writer) = self.0.take() {
            writer.end(outcome);
        }
    }
}

impl Wal {
    /// Like [`Wal::open_on`], without threads: nothing becomes durable before [`Driver::step`] is called. Here
    /// [`Wal::close`] does not wait; the driver's next steps write what is left.
    ///
    /// # Errors
    /// Those of [`Wal::open_on`].
    pub fn open_driven(disk: Arc<dyn Disk>, options: Options) -> Result<(Wal, Driver), OpenError> {
        let Opened { store, shared } = open_store(disk, options)?;
        let writer = Writer::new(store, shared.clone());
        Ok((Wal::without_thread(shared), Driver(Some(writer))))
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("is_open", &self.0.is_some()).finish()
    }
}
