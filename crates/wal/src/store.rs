//! The log on disk as one value: writes batches, rolls segments, frees and compacts old ones. Used by one thread.

use std::collections::BTreeMap;

use crate::{
    GroupKey, OpenError, Options,
    active::Active,
    disk::Disk,
    fault::{During, Fault},
    format::{BLOCK, Record, segment_name},
    ledger::Ledger,
    recovery::recover,
};

/// A batch is closed when it has this many bytes of records; one item of the queue never exceeds it.
pub(crate) const BATCH_BYTES_MAX: usize = 16 << 20;
/// How many old segments one checkpoint rewrites at most, so that it ends soon.
const CHECKPOINT_SEGMENTS_MAX: usize = 4;

/// Totals since the log was opened.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) syncs: u64,
    pub(crate) records: u64,
    pub(crate) copies: u64,
    pub(crate) segments_deleted: u64,
}

/// The segments and what they mean.
pub(crate) struct Store {
    disk: Box<dyn Disk>,
    options: Options,
    pub(crate) ledger: Ledger,
    /// Bytes of each segment but the active one.
    sealed: BTreeMap<u64, u64>,
    active: Active,
    buffer: Vec<u8>,
    rolled: bool,
    pub(crate) totals: Totals,
}

impl Store {
    /// Recovers the log and starts a fresh segment: an old tail is never written to again.
    pub(crate) fn open(mut disk: Box<dyn Disk>, options: Options) -> Result<Self, OpenError> {
        let found = recover(&mut *disk, &options)?;
        let options = Options { member: found.member, ..options };
        let active = Active::create(&mut *disk, &options, found.next_segment, found.tail)?;
        Ok(Self {
            disk,
            options,
            ledger: found.ledger,
            sealed: found.sizes,
            active,
            buffer: Vec::new(),
            rolled: true,
            totals: Totals::default(),
        })
    }

    /// Makes the records durable in order; after an error nothing more may be written.
    pub(crate) fn commit(&mut self, records: Vec<Record>) -> Result<(), Fault> {
        let mut rest = records;
        while !rest.is_empty() {
            let later = rest.split_off(batch_len(&rest));
            self.commit_batch(rest)?;
            rest = later;
        }
        Ok(())
    }

    fn commit_batch(&mut self, records: Vec<Record>) -> Result<(), Fault> {
        self.buffer.clear();
        let chain = self.active.encode(&records, &mut self.buffer);
        if !self.active.fits(self.buffer.len(), self.options.segment_bytes) {
            self.roll()?;
            return self.commit_batch(records);
        }
        self.active.write(&self.buffer, self.options.segment_bytes)?;
        self.active.advance(self.buffer.len(), records.len(), chain);
        self.totals.syncs += 1;
        self.totals.records += records.len() as u64;
        let segment = self.active.segment;
        records.into_iter().for_each(|record| self.ledger.apply(record, segment));
        Ok(())
    }

    fn roll(&mut self) -> Result<(), Fault> {
        let next = Active::create(&mut *self.disk, &self.options, self.active.segment + 1, self.active.tail)?;
        let mut old = std::mem::replace(&mut self.active, next);
        old.trim()?;
        self.sealed.insert(old.segment, old.used());
        self.rolled = true;
        Ok(())
    }

    /// Frees old segments; gives back closed lives of groups of which nothing is on disk any more.
    pub(crate) fn tidy(&mut self) -> Result<Vec<GroupKey>, Fault> {
        let mut forgotten = self.collect()?;
        if std::mem::take(&mut self.rolled) {
            forgotten.extend(self.checkpoint()?);
        }
        Ok(forgotten)
    }

    /// Deletes from the old end only, and each for ever before the next: so what closes or truncates a group is never
    /// gone before what it closed or truncated.
    fn collect(&mut self) -> Result<Vec<GroupKey>, Fault> {
        let mut forgotten = Vec::new();
        while let Some(segment) = self.dead_oldest() {
            self.disk.remove(&segment_name(segment)).during("delete a segment")?;
            self.disk.sync_dir().during("delete a segment")?;
            self.sealed.remove(&segment);
            self.totals.segments_deleted += 1;
            forgotten.extend(self.ledger.forget_segment(segment));
        }
        Ok(forgotten)
    }

    fn dead_oldest(&self) -> Option<u64> {
        self.oldest().filter(|segment| self.ledger.live(*segment) == 0)
    }

    fn oldest(&self) -> Option<u64> {
        self.sealed.first_key_value().map(|(segment, _)| *segment)
    }

    /// Copies what lives in the oldest segments to the tail, so that they can go, while that frees enough.
    fn checkpoint(&mut self) -> Result<Vec<GroupKey>, Fault> {
        let mut forgotten = Vec::new();
        for _ in 0..CHECKPOINT_SEGMENTS_MAX {
            let Some(segment) = self.oldest().filter(|_| self.is_over_budget()) else { break };
            let copies = self.ledger.copies(segment);
            self.totals.copies += copies.len() as u64;
            self.commit(copies)?;
            forgotten.extend(self.collect()?);
        }
        self.rolled = false;
        Ok(forgotten)
    }

    /// Copying is worth it while at least a quarter of all bytes is dead; else only a purge by the groups helps.
    fn is_over_budget(&self) -> bool {
        let total = self.bytes();
        let dead = total.saturating_sub(self.ledger.live_total());
        total > self.options.budget_bytes && dead >= total / 4
    }

    /// Bytes in all segment files.
    pub(crate) fn bytes(&self) -> u64 {
        self.sealed.values().sum::<u64>() + self.active.allocated()
    }

    /// Segment files.
    pub(crate) fn segments(&self) -> u64 {
        self.sealed.len() as u64 + 1
    }

    /// Gives back the unused end of the last segment.
    pub(crate) fn close(&mut self) -> Result<(), Fault> {
        self.active.trim()
    }
}

/// How many of the records go into one batch: at least one.
fn batch_len(records: &[Record]) -> usize {
    let mut bytes = 0;
    let fitting = records.iter().take_while(|record| {
        bytes += record.bytes();
        bytes <= BATCH_BYTES_MAX
    });
    fitting.count().max(1)
}

const _: () = assert!(BATCH_BYTES_MAX > BLOCK);
