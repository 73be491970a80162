//! Reads all segments in order, believes nothing without a checksum, and tells a torn tail from damage.
//!
//! The writer never starts a batch before the one before it is durable. So a bad batch with anything valid after it, in
//! its segment or a later one, was acknowledged once and is damage; only a bad batch at the very end of the log can be an
//! unfinished write. The first pass reads the headers and sees that the segments are one log of this node. The second reads
//! the batches, several segments at a time, and replays them in order.

mod replay;
mod scan;
mod torn;

use std::{
    collections::BTreeMap,
    sync::mpsc::{self, Receiver},
    thread::{self, Scope},
};

use crate::{
    Damage, OpenError, Options,
    disk::Disk,
    fault::{During, Fault},
    format::{BLOCK, SegmentHeader, is_temporary, parse_segment, segment_name},
    ledger::Ledger,
};

pub(crate) use replay::{Replay, SegmentFacts};
use scan::{Scan, scan};

/// How many segments are read at a time.
const READERS_MAX: usize = 4;

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
    pub(crate) damage: Vec<Damage>,
}

/// Reads the log; the bytes of a torn tail are kept in a `.torn` file. May be repeated after a crash at any point.
pub(crate) fn recover(disk: &dyn Disk, options: &Options) -> Result<Recovered, OpenError> {
    clean(disk)?;
    let headers = survey(disk)?;
    let member = check_owner(&headers, options)?;
    let mut replay = Replay::default();
    read_log(disk, &headers, &mut replay)?;
    torn::keep(disk, &replay)?;
    let damage = replay.ledger.damage();
    damage.iter().for_each(report);
    let mut sizes: BTreeMap<u64, u64> =
        replay.segments.iter().map(|facts| (facts.segment, facts.bytes)).collect();
    let next_segment = next_segment(&replay, &mut sizes);
    Ok(Recovered { ledger: replay.ledger, sizes, tail: replay.tail, next_segment, member, damage })
}

fn report(damage: &Damage) {
    metrics::counter!("muster_wal_damaged_groups_total").increment(1);
    tracing::error!(
        group = damage.key.group,
        incarnation = damage.key.incarnation,
        segment = damage.segment,
        offset = damage.offset,
        first = damage.first,
        last = damage.last,
        what = damage.what,
        "acknowledged records of a group are damaged: this replica of it must not be served any more"
    );
}

/// Deletes what a crash left half-made.
fn clean(disk: &dyn Disk) -> Result<(), Fault> {
    let names = disk.list().during("list the log directory")?;
    for name in names.iter().filter(|name| is_temporary(name)) {
        disk.remove(name).during("delete a half-made segment")?;
    }
    Ok(())
}

/// A last segment without a batch is replaced, so that starting again and again leaves nothing behind.
fn next_segment(replay: &Replay, sizes: &mut BTreeMap<u64, u64>) -> u64 {
    let Some(last) = replay.segments.last() else { return 1 };
    if last.end > BLOCK as u64 {
        return last.segment + 1;
    }
    sizes.remove(&last.segment);
    last.segment
}

/// The headers of all segments, ascending and without gaps.
pub(crate) fn survey(disk: &dyn Disk) -> Result<Vec<SegmentHeader>, OpenError> {
    let names = disk.list().during("list the log directory")?;
    let mut segments: Vec<u64> = names.iter().filter_map(|name| parse_segment(name)).collect();
    segments.sort_unstable();
    if let Some(pair) = segments.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        let segment = pair[0] + 1;
        return Err(OpenError::Corrupt { segment, offset: 0, what: "the segment is missing" });
    }
    segments.into_iter().map(|segment| read_header(disk, segment)).collect()
}

fn read_header(disk: &dyn Disk, segment: u64) -> Result<SegmentHeader, OpenError> {
    let block = disk.read_at(&segment_name(segment), 0, BLOCK).during("read a segment")?;
    SegmentHeader::decode(&block, segment)
}

/// The member number that the log has, or is to have.
fn check_owner(headers: &[SegmentHeader], options: &Options) -> Result<u32, OpenError> {
    if let Some(stranger) = headers.iter().find(|header| header.node != options.node) {
        return Err(OpenError::WrongNode { found: stranger.node });
    }
    let mut numbered = headers.iter().map(|header| header.member).filter(|member| *member != 0);
    let Some(member) = numbered.next() else { return Ok(options.member) };
    match numbered.chain([options.member]).find(|other| ![0, member].contains(other)) {
        Some(_) => Err(OpenError::WrongMember { found: member }),
        None => Ok(member),
    }
}

/// Whose log the headers say that it is.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) node: [u8; 16],
    pub(crate) member: u32,
}

impl Recorded {
    pub(crate) fn of(headers: &[SegmentHeader]) -> Self {
        let last = headers.last().map(|header| Self { node: header.node, member: header.member });
        last.unwrap_or_default()
    }
}

/// Reads and replays all batches.
pub(crate) fn read_log(
    disk: &dyn Disk,
    headers: &[SegmentHeader],
    replay: &mut Replay,
) -> Result<(), OpenError> {
    let ends = headers.iter().skip(1).map(|next| Some(next.first_batch)).chain([None]);
    let parts: Vec<Part> = headers.iter().copied().zip(ends).collect();
    match parts.as_slice() {
        [] => Ok(()),
        [one] => replay.add(&one.0, &scan_one(disk, one, &mut Vec::new()).during("read a segment")?),
        _ => read_beside(disk, &parts, replay),
    }
}

/// Segments are read and checked beside the replay of those before them.
fn read_beside(disk: &dyn Disk, parts: &[Part], replay: &mut Replay) -> Result<(), OpenError> {
    let readers = thread::available_parallelism().map_or(1, usize::from).min(READERS_MAX);
    thread::scope(|scope| {
        let scans: Vec<_> =
            (0..readers).map(|first| spawn_reader(scope, disk, (parts, first, readers))).collect();
        for ((header, _), scans) in parts.iter().zip(scans.iter().cycle()) {
            // A reader without a result has panicked, and so does the scope then.
            let Ok(read) = scans.recv() else { break };
            replay.add(header, &read.during("read a segment")?)?;
        }
        Ok(())
    })
}

/// Reads every so many-th segment, one ahead of who takes them; ends when nobody does.
fn spawn_reader<'scope>(
    scope: &'scope Scope<'scope, '_>,
    disk: &'scope dyn Disk,
    (parts, first, step): (&'scope [Part], usize, usize),
) -> Receiver<Read> {
    let (give, take) = mpsc::sync_channel(1);
    scope.spawn(move || {
        let mut buffer = Vec::new();
        let mut reads = parts.iter().skip(first).step_by(step).map(|part| scan_one(disk, part, &mut buffer));
        reads.try_for_each(|read| give.send(read).ok())
    });
    take
}

/// A segment, and the number of the batch with which the next one begins.
type Part = (SegmentHeader, Option<u64>);
type Read = std::io::Result<Scan>;

/// The newest segment is read from the device: a sync that failed may have left bytes in the cache only.
fn scan_one(disk: &dyn Disk, (header, until): &Part, buffer: &mut Vec<u8>) -> Read {
    let name = segment_name(header.segment);
    match until {
        Some(_) => disk.read(&name, buffer).map(|()| scan(header, buffer, *until)),
        None => disk.read_fresh(&name, buffer).map(|()| scan(header, buffer, None).without_torn()),
    }
}

/// Everything that a log holds, for a test that failed.
#[cfg(test)]
pub(crate) fn dump(disk: &dyn Disk) -> String {
    let (mut out, mut bytes) = (String::new(), Vec::new());
    for header in survey(disk).unwrap() {
        disk.read(&segment_name(header.segment), &mut bytes).unwrap();
        for batch in scan(&header, &bytes, None).batches {
            for found in &batch.records {
                let op = (found.record.op.tag(), found.record.op.id().index);
                let place = (header.segment, batch.at);
                out += &format!("\n{place:?} {:?} kind, index {op:?}", found.record.key);
            }
        }
    }
    out
}

#[cfg(test)]
#[path = "../recovery_test.rs"]
mod recovery_test;
