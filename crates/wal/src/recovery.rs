//! Reads all segments in order, believes nothing without a checksum, and tells a torn tail from damage.
//!
//! The writer never starts a batch before the one before it is durable. So a bad batch with anything valid after it was
//! acknowledged once and is damage; only a bad batch at the very end of the log can be an unfinished write.

use std::collections::BTreeMap;

use crate::{
    OpenError, Options,
    disk::Disk,
    fault::{During, Fault},
    format::{
        BLOCK, Body, Head, Record, SegmentHeader, Stamp, decode_body, parse_name, segment_name, torn_name,
    },
    ledger::Ledger,
};

/// Where the log ends: what the next batch must say.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Tail {
    pub(crate) batch: u64,
    pub(crate) lsn: u64,
    pub(crate) chain: u32,
}

/// A log as found on disk.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) ledger: Ledger,
    /// Bytes of each segment that stays.
    pub(crate) sizes: BTreeMap<u64, u64>,
    pub(crate) tail: Tail,
    pub(crate) next_segment: u64,
    pub(crate) member: u32,
}

/// Reads the log; a torn tail is moved to a `.torn` file. May be repeated after a crash at any point.
pub(crate) fn recover(disk: &mut dyn Disk, options: &Options) -> Result<Recovered, OpenError> {
    let segments = survey(disk)?;
    let mut replay = Replay::new(options);
    for segment in &segments {
        let file = disk.read(&segment_name(*segment)).during("read a segment")?;
        replay.read_segment(*segment, &file)?;
        if Some(segment) == segments.last() {
            replay.finish_last(disk, &file)?;
        }
    }
    replay.check_gaps()?;
    Ok(replay.out)
}

/// The numbers of the segments, without gaps; half-made files are deleted.
fn survey(disk: &mut dyn Disk) -> Result<Vec<u64>, OpenError> {
    let names = disk.list().during("list the log directory")?;
    for name in names.iter().filter(|name| name.ends_with(".tmp")) {
        disk.remove(name).during("delete a half-made segment")?;
    }
    let mut segments: Vec<u64> = names.iter().filter_map(|name| parse_name(name)).collect();
    segments.sort_unstable();
    match segments.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        Some(pair) => {
            Err(OpenError::Corrupt { segment: pair[0] + 1, offset: 0, what: "the segment is missing" })
        }
        None => Ok(segments),
    }
}

struct Replay<'a> {
    options: &'a Options,
    out: Recovered,
    header: Option<SegmentHeader>,
    /// Where the valid part of the segment read last ends.
    end: u64,
}

impl<'a> Replay<'a> {
    fn new(options: &'a Options) -> Self {
        let out = Recovered {
            ledger: Ledger::default(),
            sizes: BTreeMap::new(),
            tail: Tail { batch: 1, lsn: 1, chain: 0 },
            next_segment: 1,
            member: options.member,
        };
        Self { options, out, header: None, end: 0 }
    }

    fn read_segment(&mut self, segment: u64, file: &[u8]) -> Result<(), OpenError> {
        let header = SegmentHeader::decode(file, segment)?;
        self.check_owner(&header)?;
        self.follow(&header)?;
        let mut at = BLOCK;
        while let Some((head, records)) = self.read_batch(&header, file, at)? {
            let tail = &mut self.out.tail;
            *tail = Tail { batch: tail.batch + 1, lsn: tail.lsn + u64::from(head.records), chain: head.crc };
            records.into_iter().for_each(|record| self.out.ledger.apply(record, segment));
            at += head.len();
        }
        self.header = Some(header);
        self.end = at as u64;
        self.out.sizes.insert(segment, file.len() as u64);
        Ok(())
    }

    fn check_owner(&mut self, header: &SegmentHeader) -> Result<(), OpenError> {
        if header.node != self.options.node {
            return Err(OpenError::WrongNode { found: header.node });
        }
        let known = [header.member, self.options.member];
        if known[0] != known[1] && !known.contains(&0) {
            return Err(OpenError::WrongMember { found: header.member });
        }
        self.out.member = self.out.member.max(header.member);
        Ok(())
    }

    /// A segment begins where the one before it ends; the oldest one begins where its header says.
    fn follow(&mut self, header: &SegmentHeader) -> Result<(), OpenError> {
        let tail = Tail { batch: header.first_batch, lsn: header.first_lsn, chain: header.chain };
        match self.header {
            Some(before) if tail != self.out.tail => Err(OpenError::Corrupt {
                segment: before.segment,
                offset: self.end,
                what: "the next segment begins after a later batch",
            }),
            _ => {
                self.out.tail = tail;
                Ok(())
            }
        }
    }

    /// The batch at `at`, or none at the end of the valid part.
    fn read_batch(
        &self,
        header: &SegmentHeader,
        file: &[u8],
        at: usize,
    ) -> Result<Option<(Head, Vec<Record>)>, OpenError> {
        let corrupt = |what| OpenError::Corrupt { segment: header.segment, offset: at as u64, what };
        let rest = file.get(at..).unwrap_or_default();
        let Some(head) = Head::decode(rest) else { return end_or_damage(header, rest).map_err(corrupt) };
        if head.stamp != self.expected(header) {
            return Err(corrupt("the batch belongs elsewhere"));
        }
        match decode_body(&head, rest) {
            Body::Records(records) => Ok(Some((head, records))),
            Body::Unknown => Err(corrupt("a record of a kind that this version does not know")),
            Body::Damaged => end_or_damage(header, rest).map_err(corrupt),
        }
    }

    fn expected(&self, header: &SegmentHeader) -> Stamp {
        let tail = &self.out.tail;
        Stamp {
            segment: header.segment,
            salt: header.salt,
            batch: tail.batch,
            lsn: tail.lsn,
            chain: tail.chain,
        }
    }

    /// Cuts what is after the last valid batch, and decides whether the last segment stays.
    fn finish_last(&mut self, disk: &mut dyn Disk, file: &[u8]) -> Result<(), OpenError> {
        let Some(header) = self.header else { return Ok(()) };
        keep_torn(disk, header.segment, self.end, file)?;
        self.out.next_segment = header.segment + 1;
        self.out.sizes.insert(header.segment, self.end);
        if self.end == BLOCK as u64 {
            self.out.next_segment = header.segment;
            self.out.sizes.remove(&header.segment);
        }
        Ok(())
    }

    fn check_gaps(&self) -> Result<(), OpenError> {
        match self.out.ledger.groups().find_map(|(_, trace)| trace.gap()) {
            Some(segment) => {
                Err(OpenError::Corrupt { segment, offset: 0, what: "records of a group are missing" })
            }
            None => Ok(()),
        }
    }
}

/// Nothing valid is at the start of `rest`: that is the end of the log, unless a later batch of this segment follows.
fn end_or_damage<T>(header: &SegmentHeader, rest: &[u8]) -> Result<Option<T>, &'static str> {
    let later = rest.chunks(BLOCK).skip(1).filter_map(Head::decode);
    match later
        .map(|head| head.stamp)
        .any(|stamp| (stamp.segment, stamp.salt) == (header.segment, header.salt))
    {
        true => Err("a damaged batch stands before a valid one"),
        false => Ok(None),
    }
}

/// Moves what a crash left after the last valid batch into a file of its own, for an operator to look at.
fn keep_torn(disk: &mut dyn Disk, segment: u64, end: u64, file: &[u8]) -> Result<(), Fault> {
    let rest = file.get(end as usize..).unwrap_or_default();
    let Some(last) = rest.iter().rposition(|byte| *byte != 0) else { return Ok(()) };
    tracing::warn!(
        segment,
        offset = end,
        bytes = last + 1,
        "the log ended in an unfinished batch; its bytes are kept"
    );
    let mut torn = disk.create(&torn_name(segment, end)).during("keep a torn tail")?;
    torn.write_at(0, &rest[..=last]).during("keep a torn tail")?;
    torn.sync().during("keep a torn tail")?;
    disk.sync_dir().during("keep a torn tail")?;
    disk.cut(&segment_name(segment), end).during("cut a torn tail")
}
