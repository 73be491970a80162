//! The log on disk as one value: writes batches, rolls segments, frees and compacts old ones. Used by one thread.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    Damage, GroupKey, OpenError, Options,
    active::Active,
    disk::Disk,
    fault::Fault,
    format::{BLOCK, Encoded, HEAD_BYTES, NOBODY, Op, ROW_BYTES, Record},
    ledger::Ledger,
    recovery::recover,
    rewrite::Rewrite,
    slots::Place,
    space::Space,
    spares::{Dead, Spares},
};

/// A batch is closed when it has this many bytes of records; one item of the queue never exceeds it.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// A new log begins with a smaller segment, so that a node that does little takes little disk.
const FIRST_SEGMENT_BYTES: u64 = 8 << 20;
/// While the log is idle its buffer takes this much memory, bytes.
const BUFFER_KEPT: usize = 64 << 10;

/// Totals since the log was opened.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) syncs: u64,
    pub(crate) seals: u64,
    pub(crate) records: u64,
    pub(crate) copies: u64,
    pub(crate) segments_deleted: u64,
    pub(crate) bytes_written: u64,
}

/// Where a batch is.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Written {
    segment: u64,
    /// Where it begins in the file, bytes.
    at: u64,
    records: usize,
}

/// What tidying came to.
#[derive(Debug, Default)]
pub(crate) struct Tidied {
    /// Closed lives of groups of which nothing is on disk any more.
    pub(crate) forgotten: Vec<GroupKey>,
    /// Groups whose purges would free the most.
    pub(crate) slow: Vec<GroupKey>,
}

/// The segments and what they mean.
pub(crate) struct Store {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) ledger: Ledger,
    pub(crate) spares: Spares,
    pub(crate) space: Arc<Space>,
    /// Bytes of each segment with something alive but the active one.
    pub(crate) sealed: BTreeMap<u64, u64>,
    /// Segments that hold damaged records.
    pub(crate) damaged: BTreeSet<u64>,
    active: Active,
    buffer: Vec<u8>,
    /// The last batch is attested by another one.
    is_sealed: bool,
    /// Bytes of each segment in which nothing lives any more, until the last batch is attested.
    dead: BTreeMap<u64, u64>,
    pub(crate) rewrite: Option<Rewrite>,
    /// The segment that was copied last.
    pub(crate) rewritten: Option<u64>,
    pub(crate) totals: Totals,
}

impl Store {
    /// Recovers the log and starts a fresh segment: an old tail is never written to again.
    pub(crate) fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(Self, Vec<Damage>), OpenError> {
        let found = recover(&*disk, &options)?;
        let options = Options { member: found.member, ..options };
        let space = Arc::new(Space::default());
        let spares = Spares::new(disk.clone(), space.clone(), options.segment_bytes)?;
        let first = spares.take(options.segment_bytes.min(FIRST_SEGMENT_BYTES))?;
        let active = Active::start(&*disk, &options, first, (found.next_segment, found.tail))?;
        space.set_active(active.left());
        let store = Self {
            disk,
            options,
            ledger: found.ledger,
            spares,
            space,
            sealed: found.sizes,
            damaged: found.damage.iter().map(|damage| damage.segment).collect(),
            active,
            buffer: Vec::new(),
            is_sealed: true,
            dead: BTreeMap::new(),
            rewrite: None,
            rewritten: None,
            totals: Totals::default(),
        };
        Ok((store, found.damage))
    }

    /// Makes the records durable in order and notes them; after an error nothing more may be written.
    #[cfg(test)]
    pub(crate) fn commit(&mut self, records: &[Record]) -> Result<(), Fault> {
        let written = self.write(records.iter())?;
        self.note(records.iter(), &written);
        Ok(())
    }

    /// Makes the records durable in order; they must be noted before anything else is asked. After an error nothing more
    /// may be written.
    pub(crate) fn write<'a, R>(&mut self, records: R) -> Result<Vec<Written>, Fault>
    where
        R: Iterator<Item = &'a Record> + Clone,
    {
        let (mut rest, mut written) = (records, Vec::new());
        loop {
            let count = batch_len(rest.clone());
            if count == 0 {
                return Ok(written);
            }
            written.push(self.write_batch(rest.clone().take(count))?);
            rest.nth(count - 1);
            self.totals.syncs += 1;
            self.totals.records += count as u64;
            self.is_sealed = false;
        }
    }

    fn write_batch<'a, R>(&mut self, records: R) -> Result<Written, Fault>
    where
        R: Iterator<Item = &'a Record> + Clone,
    {
        let mut batch = self.encode(records.clone());
        if !self.active.fits(self.buffer.len()) {
            self.roll()?;
            batch = self.encode(records);
        }
        self.active.write(&self.buffer)?;
        let (segment, at) = (self.active.segment, self.active.at());
        self.active.advance(self.buffer.len(), batch);
        self.space.set_active(self.active.left());
        self.totals.bytes_written += self.buffer.len() as u64;
        if self.active.is_quarter_full() {
            self.spares.make_ahead();
        }
        Ok(Written { segment, at, records: batch.records })
    }

    fn encode<'a>(&mut self, records: impl Iterator<Item = &'a Record> + Clone) -> Encoded {
        self.buffer.clear();
        self.active.encode(records, &mut self.buffer)
    }

    /// The ledger learns where each record of these batches is.
    pub(crate) fn note<'a>(&mut self, records: impl Iterator<Item = &'a Record>, written: &[Written]) {
        let mut records = records;
        for batch in written {
            let mut offset = batch.at as usize + HEAD_BYTES + batch.records * ROW_BYTES;
            for record in records.by_ref().take(batch.records) {
                let length = record.bytes() - ROW_BYTES;
                let segment = batch.segment as u32;
                let place = Place { segment, offset: offset as u32, length: length as u32 };
                self.ledger.apply(record, place);
                offset += length;
            }
        }
    }

    fn roll(&mut self) -> Result<(), Fault> {
        let spare = self.spares.take(self.options.segment_bytes)?;
        let number = self.active.segment + 1;
        let next = Active::start(&*self.disk, &self.options, spare, (number, self.active.tail))?;
        let old = std::mem::replace(&mut self.active, next);
        self.sealed.insert(old.segment, old.bytes());
        Ok(())
    }

    /// Attests the last batch by another one, so that damage to it can be told from a write that power cut short.
    pub(crate) fn seal(&mut self) -> Result<(), Fault> {
        if self.is_sealed {
            return Ok(());
        }
        self.write_batch([Record { key: NOBODY, op: Op::Seal }].iter())?;
        self.buffer.shrink_to(BUFFER_KEPT);
        self.totals.seals += 1;
        self.is_sealed = true;
        Ok(())
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// Frees old segments, from the old end only. The last batch may hold the copies of what was in them. As long as nothing
    /// attests it, rot in it would be taken for a torn end, and nothing would tell that anything is missing: a segment goes
    /// one batch after its death. Without room for another segment there is no choice.
    pub(crate) fn tidy(&mut self) -> Result<Tidied, Fault> {
        let mut tidied = Tidied::default();
        self.retire(&mut tidied)?;
        while let Some(segment) = self.dead_oldest() {
            self.dead.extend(self.sealed.remove_entry(&segment));
        }
        if self.is_sealed || self.space.is_last_segment() {
            self.retire(&mut tidied)?;
        }
        self.plan_rewrite(&mut tidied);
        Ok(tidied)
    }

    fn retire(&mut self, tidied: &mut Tidied) -> Result<(), Fault> {
        for (segment, bytes) in std::mem::take(&mut self.dead) {
            self.spares.retire(Dead { segment, bytes, damaged: self.damaged.remove(&segment) })?;
            self.totals.segments_deleted += 1;
            tidied.forgotten.extend(self.ledger.forget_segment(segment));
        }
        Ok(())
    }

    fn dead_oldest(&self) -> Option<u64> {
        self.oldest().filter(|segment| self.ledger.live(*segment) == 0)
    }

    pub(crate) fn oldest(&self) -> Option<u64> {
        self.sealed.first_key_value().map(|(segment, _)| *segment)
    }

    /// Bytes in all segment files that are needed.
    pub(crate) fn bytes(&self) -> u64 {
        self.sealed.values().sum::<u64>() + self.active.bytes()
    }

    /// Segment files that are needed.
    pub(crate) fn segments(&self) -> u64 {
        self.sealed.len() as u64 + 1
    }

    /// Attests what is there and gives back the unused end of the last segment.
    pub(crate) fn close(&mut self) -> Result<(), Fault> {
        self.seal()?;
        self.active.trim()
    }
}

/// How many of the records go into one batch: at least one, if there is any.
fn batch_len<'a>(records: impl Iterator<Item = &'a Record>) -> usize {
    let (mut bytes, mut count) = (0, 0);
    for record in records {
        bytes += record.bytes();
        if bytes > BATCH_BYTES_MAX {
            return count.max(1);
        }
        count += 1;
    }
    count
}

const _: () = assert!(BATCH_BYTES_MAX > BLOCK);
