//! Reads the batches of one segment.

use crate::format::{BLOCK, Body, Found, Head, SegmentHeader, Stamp, decode_body};

/// One whole batch, or one with records that are damaged.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Where it begins in the file, bytes.
    pub(crate) at: u64,
    pub(crate) head: Head,
    pub(crate) records: Vec<Found>,
}

impl Batch {
    fn is_hurt(&self) -> bool {
        self.records.iter().any(Found::is_hurt)
    }
}

/// Why there is nothing more in a segment.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    /// Nothing valid follows.
    End,
    /// Something was here that must not have been lost: whose, nobody knows.
    Corrupt(&'static str),
}

/// What one segment file holds.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) batches: Vec<Batch>,
    pub(crate) stop: Stop,
    /// Where the last batch ends, bytes.
    pub(crate) end: u64,
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// The batch at the end has an intact header: it was being written.
    pub(crate) began: bool,
}

impl Scan {
    /// In the last segment nothing follows the last batch: one with damaged records was still being written.
    pub(crate) fn without_torn(mut self) -> Self {
        if let Some(torn) = self.batches.pop_if(|batch| batch.is_hurt()) {
            self.end = torn.at;
            self.began = true;
        }
        self
    }
}

/// Reads a segment's batches until the first one that cannot be read, or until the number with which the next segment
/// begins: what stands behind that was cut short by a crash once and then left alone.
pub(crate) fn scan(header: &SegmentHeader, file: &[u8], until: Option<u64>) -> Scan {
    let mut scan = Scan {
        batches: Vec::new(),
        stop: Stop::End,
        end: BLOCK as u64,
        bytes: file.len() as u64,
        began: false,
    };
    let mut expected = Stamp {
        segment: header.segment,
        salt: header.salt,
        batch: header.first_batch,
        lsn: header.first_lsn,
        chain: header.chain,
    };
    while until != Some(expected.batch) {
        let rest = file.get(scan.end as usize..).unwrap_or_default();
        match read_batch(&expected, rest) {
            Next::Batch(head, records) => {
                expected = follower(&expected, &head);
                scan.batches.push(Batch { at: scan.end, head, records });
                scan.end += head.len() as u64;
            }
            Next::Stop { stop, began } => return Scan { stop, began, ..scan },
        }
    }
    scan
}

fn follower(stamp: &Stamp, head: &Head) -> Stamp {
    let lsn = stamp.lsn.saturating_add(head.records.into());
    Stamp { batch: stamp.batch.saturating_add(1), lsn, chain: head.crc, ..*stamp }
}

enum Next {
    Batch(Head, Vec<Found>),
    Stop { stop: Stop, began: bool },
}

/// The batch at the start of `rest`.
fn read_batch(expected: &Stamp, rest: &[u8]) -> Next {
    let Some(head) = Head::decode(rest).filter(|head| is_of(&head.stamp, expected)) else {
        return Next::Stop { stop: end_or_damage(expected, rest, BLOCK), began: false };
    };
    if head.stamp != *expected {
        return Next::Stop { stop: Stop::Corrupt("the batch belongs elsewhere"), began: true };
    }
    match decode_body(&head, rest) {
        Body::Records(records) => Next::Batch(head, records),
        Body::Unknown => Next::Stop {
            stop: Stop::Corrupt("a record of a kind that this version does not know"),
            began: true,
        },
        Body::Damaged => Next::Stop { stop: end_or_damage(expected, rest, head.len()), began: true },
    }
}

/// Of the same life of the same file; anything else is left over from another one.
fn is_of(stamp: &Stamp, expected: &Stamp) -> bool {
    (stamp.segment, stamp.salt) == (expected.segment, expected.salt)
}

/// Nothing valid is at the start of `rest`: that is the end of the log, unless a batch of this segment follows. What the
/// bad batch itself holds, `own` bytes as far as known, is its writer's business.
fn end_or_damage(expected: &Stamp, rest: &[u8], own: usize) -> Stop {
    let later = rest.get(own..).unwrap_or_default();
    let mut heads = later.chunks(BLOCK).filter_map(Head::decode);
    match heads.any(|head| is_of(&head.stamp, expected)) {
        true => Stop::Corrupt("a damaged batch stands before a valid one"),
        false => Stop::End,
    }
}
