//! Puts the segments' batches together to one log.

use crate::{
    OpenError,
    format::{BLOCK, Op, SegmentHeader},
    ledger::Ledger,
    recovery::{
        Tail,
        scan::{Batch, Scan, Stop},
    },
    slots::Place,
};

/// What is known of one segment.
#[derive(Clone, Debug)]
pub(crate) struct SegmentFacts {
    pub(crate) segment: u64,
    pub(crate) bytes: u64,
    /// Where the last whole batch ends, bytes.
    pub(crate) end: u64,
    pub(crate) batches: u64,
    pub(crate) records: u64,
    /// Records whose payload is damaged.
    pub(crate) hurt: u64,
    pub(crate) recycled: bool,
    /// The batch behind the end has an intact header.
    pub(crate) began: bool,
}

/// A log that is being put together.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) ledger: Ledger,
    pub(crate) segments: Vec<SegmentFacts>,
    pub(crate) tail: Tail,
    /// The last batch attests the one before it.
    pub(crate) is_sealed: bool,
}

impl Default for Replay {
    fn default() -> Self {
        let tail = Tail { batch: 1, lsn: 1, chain: 0 };
        Self { ledger: Ledger::default(), segments: Vec::new(), tail, is_sealed: true }
    }
}

impl Replay {
    /// The next segment.
    pub(crate) fn add(&mut self, header: &SegmentHeader, scan: &Scan) -> Result<(), OpenError> {
        self.follow(header)?;
        self.segments.push(SegmentFacts {
            segment: header.segment,
            bytes: scan.bytes,
            end: BLOCK as u64,
            batches: 0,
            records: 0,
            hurt: 0,
            recycled: header.recycled,
            began: scan.began,
        });
        scan.batches.iter().for_each(|batch| self.take(header.segment, batch));
        match scan.stop {
            Stop::End => Ok(()),
            Stop::Corrupt(what) => {
                Err(OpenError::Corrupt { segment: header.segment, offset: scan.end, what })
            }
        }
    }

    /// A segment begins where the one before it ends; the oldest one begins where its header says.
    fn follow(&mut self, header: &SegmentHeader) -> Result<(), OpenError> {
        let tail = Tail { batch: header.first_batch, lsn: header.first_lsn, chain: header.chain };
        match self.segments.last() {
            Some(before) if tail != self.tail => Err(OpenError::Corrupt {
                segment: before.segment,
                offset: before.end,
                what: "the next segment begins after a later batch",
            }),
            _ => {
                self.tail = tail;
                Ok(())
            }
        }
    }

    fn take(&mut self, segment: u64, batch: &Batch) {
        for found in &batch.records {
            let offset = batch.at as u32 + found.offset;
            let place = Place { segment: segment as u32, offset, length: found.length };
            self.ledger.apply(&found.record, place);
        }
        self.is_sealed = matches!(batch.records.as_slice(), [found] if found.record.op == Op::Seal);
        let Tail { batch: number, lsn, .. } = self.tail;
        let records = u64::from(batch.head.records);
        self.tail =
            Tail { batch: number.saturating_add(1), lsn: lsn.saturating_add(records), chain: batch.head.crc };
        if let Some(facts) = self.segments.last_mut() {
            facts.end = batch.at + batch.head.len() as u64;
            facts.batches += 1;
            facts.records += records;
            facts.hurt += batch.records.iter().filter(|found| found.is_hurt()).count() as u64;
        }
    }
}
