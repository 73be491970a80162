//! Looking at a log without changing it: for people, beside a node that may be running.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use crate::{
    Damage, LogId, OpenError, Vote,
    disk::{Disk, RealDisk},
    fault::During,
    format::{is_torn, parse_spare},
    lock::lock,
    recovery::{Recorded, Replay, read_log, survey},
    trace::Trace,
};

/// What a log's directory holds.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The node that the log belongs to, as hexadecimal digits; empty for a log without segments.
    pub node: String,
    /// The node's member number; 0 when it had none yet.
    pub member: u32,
    /// Oldest first.
    pub segments: Vec<SegmentReport>,
    /// Ascending.
    pub groups: Vec<GroupReport>,
    /// Groups of which acknowledged records are damaged.
    pub damage: Vec<Damage>,
    /// Why the log as a whole cannot be opened; then segments and groups are what could be read before that.
    pub refused: Option<String>,
    /// Whether the last batch is attested, as it is after a clean stop or 5 ms without writes.
    pub sealed: bool,
    /// Segments prepared ahead.
    pub spares: usize,
    /// Files with torn tails and damaged segments that were put aside.
    pub kept: Vec<String>,
}

/// One segment.
#[derive(Debug, Serialize)]
pub struct SegmentReport {
    /// Its number.
    pub segment: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes up to the end of the last batch.
    pub used: u64,
    /// Whole batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Records whose payload is damaged.
    pub damaged: u64,
    /// Behind the last batch stands one that was cut short.
    pub torn: bool,
}

/// One life of a group.
#[derive(Debug, Serialize)]
pub struct GroupReport {
    /// The group's id.
    pub group: u64,
    /// The replica's incarnation.
    pub incarnation: u32,
    /// The first entry's index.
    pub first: Option<u64>,
    /// The last entry's index.
    pub last: Option<u64>,
    /// Entries.
    pub entries: usize,
    /// What was purged last.
    pub purged: Option<LogId>,
    /// The committed hint.
    pub committed: Option<LogId>,
    /// The vote.
    pub vote: Option<Vote>,
    /// The oldest segment that it needs.
    pub oldest_segment: Option<u64>,
}

impl Report {
    /// Nothing acknowledged is damaged, as far as checksums tell.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.refused.is_none()
    }
}

/// Reads a log's directory, all checksums included, and changes nothing. A log that is being written may look cut short.
///
/// # Errors
/// Only that the directory cannot be read; damage is in the report.
pub fn inspect(dir: &Path) -> Result<Report, OpenError> {
    let disk = RealDisk::new(dir);
    let names = disk.list().during("list the log directory")?;
    let (replay, recorded, refused) = read(&disk)?;
    let damage = replay.ledger.damage();
    let mut kept: Vec<String> = names.iter().filter(|name| is_torn(name)).cloned().collect();
    kept.sort_unstable();
    Ok(Report {
        node: recorded.node.iter().map(|byte| format!("{byte:02x}")).collect(),
        member: recorded.member,
        segments: segments_of(&replay),
        groups: groups_of(&replay),
        damage,
        refused,
        sealed: replay.is_sealed,
        spares: names.iter().filter(|name| parse_spare(name).is_some()).count(),
        kept,
    })
}

/// As far as the log can be read.
fn read(disk: &dyn Disk) -> Result<(Replay, Recorded, Option<String>), OpenError> {
    let mut replay = Replay::default();
    let headers = match survey(disk) {
        Ok(headers) => headers,
        Err(error) => return refused(error).map(|why| (replay, Recorded::default(), why)),
    };
    let recorded = Recorded::of(&headers);
    match read_log(disk, &headers, &mut replay) {
        Ok(()) => Ok((replay, recorded, None)),
        Err(error) => refused(error).map(|why| (replay, recorded, why)),
    }
}

/// A disk that cannot be read is an error, a log that cannot be opened is an answer.
fn refused(error: OpenError) -> Result<Option<String>, OpenError> {
    match error {
        OpenError::Io { .. } => Err(error),
        other => Ok(Some(other.to_string())),
    }
}

fn segments_of(replay: &Replay) -> Vec<SegmentReport> {
    let report = |facts: &crate::recovery::SegmentFacts| SegmentReport {
        segment: facts.segment,
        bytes: facts.bytes,
        used: facts.end,
        batches: facts.batches,
        records: facts.records,
        damaged: facts.hurt,
        torn: facts.began,
    };
    replay.segments.iter().map(report).collect()
}

fn groups_of(replay: &Replay) -> Vec<GroupReport> {
    let shelves: BTreeMap<_, _> = replay.ledger.shelves.all().into_iter().collect();
    shelves.iter().map(|(key, shelf)| group_of((key.group, key.incarnation), &lock(shelf))).collect()
}

fn group_of((group, incarnation): (u64, u32), trace: &Trace) -> GroupReport {
    let state = trace.state();
    let indexes = || trace.entries.iter().map(|(index, _)| index);
    GroupReport {
        group,
        incarnation,
        first: indexes().next(),
        last: indexes().last(),
        entries: indexes().count(),
        purged: state.purged,
        committed: state.committed,
        vote: state.vote,
        oldest_segment: trace.oldest_segment(),
    }
}
