//! `muster wal inspect|verify DIR`: what a node's write-ahead log holds, read-only.

use std::path::Path;

use muster_wal::{Damage, GroupReport, Report, SegmentReport};

use crate::args::Wal;
use crate::context::Context;
use crate::exit;
use crate::failure::Failure;
use crate::output::{Color, Output};

pub(crate) fn run(context: &Context, command: &Wal) -> Result<u8, Failure> {
    match command {
        Wal::Inspect { dir } => inspect(context.out, dir),
        Wal::Verify { dir } => verify(context.out, dir),
    }
}

fn read(dir: &Path) -> Result<Report, Failure> {
    let wal = dir.join("wal");
    let dir = if wal.is_dir() { &wal } else { dir };
    muster_wal::inspect(dir).map_err(|error| Failure::usage(format!("{}: {error}", dir.display())))
}

/// Segments, groups and damage; whether it is sound is not this command's answer.
fn inspect(out: Output, dir: &Path) -> Result<u8, Failure> {
    let report = read(dir)?;
    if out.json {
        out.document(&report)?;
        return Ok(exit::DONE);
    }
    out.line(&format!("node {} member {} spares {}", report.node, report.member, report.spares))?;
    out.line("\nSEGMENT       BYTES        USED  BATCHES   RECORDS  STATE")?;
    report.segments.iter().try_for_each(|segment| out.line(&segment_line(segment)))?;
    out.line("\nGROUP         INC       FIRST        LAST      PURGED  VOTE")?;
    report.groups.iter().try_for_each(|group| out.line(&group_line(group)))?;
    print_damage(out, &report)?;
    Ok(exit::DONE)
}

/// One sentence; the exit code is 1 when anything acknowledged is damaged.
fn verify(out: Output, dir: &Path) -> Result<u8, Failure> {
    let report = read(dir)?;
    let sound = report.is_sound();
    if out.json {
        let summary = serde_json::json!({
            "sound": sound, "segments": report.segments.len(), "groups": report.groups.len(),
            "records": records(&report), "damage": report.damage, "refused": report.refused, "kept": report.kept,
        });
        out.document(&summary)?;
    } else {
        print_damage(out, &report)?;
        out.line(&verdict(out, &report))?;
    }
    Ok(if sound { exit::DONE } else { exit::OTHER })
}

fn verdict(out: Output, report: &Report) -> String {
    let read = format!(
        "{} records of {} groups in {} segments",
        records(report),
        report.groups.len(),
        report.segments.len()
    );
    match report.is_sound() {
        true => format!("{}: {read}, every checksum holds", out.paint(Color::Green, "sound")),
        false => format!("{}: {read} were read", out.paint(Color::Red, "damaged")),
    }
}

fn records(report: &Report) -> u64 {
    report.segments.iter().map(|segment| segment.records).sum()
}

fn print_damage(out: Output, report: &Report) -> Result<(), Failure> {
    report.damage.iter().try_for_each(|damage| out.line(&damage_line(damage)))?;
    let kept = report.kept.iter().map(|name| format!("kept for you to look at: {name}"));
    let refused = report.refused.iter().map(|why| {
        format!("the log cannot be opened: {why}\nRemove the node from its cluster, empty its data directory, and let it join anew.")
    });
    kept.chain(refused).try_for_each(|line| out.line(&line))
}

fn segment_line(one: &SegmentReport) -> String {
    let state = match (one.damaged, one.torn) {
        (0, false) => "ok".to_owned(),
        (0, true) => "ends in an unfinished batch".to_owned(),
        (damaged, _) => format!("{damaged} damaged records"),
    };
    let SegmentReport { segment, bytes, used, batches, records, .. } = one;
    format!("{segment:<9}{bytes:>10}  {used:>10}  {batches:>7}  {records:>8}  {state}")
}

fn group_line(one: &GroupReport) -> String {
    let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let vote = one.vote.map_or_else(
        || "-".to_owned(),
        |vote| {
            let committed = if vote.committed { " committed" } else { "" };
            format!("term {} for {}{committed}", vote.term, vote.node)
        },
    );
    let (first, last) = (number(one.first), number(one.last));
    let purged = number(one.purged.map(|id| id.index));
    format!("{:<12}{:>5}  {first:>10}  {last:>10}  {purged:>10}  {vote}", one.group, one.incarnation)
}

fn damage_line(damage: &Damage) -> String {
    let Damage { key, segment, offset, first, last, what } = damage;
    format!(
        "damaged: group {} incarnation {}, indexes {first} to {last}, segment {segment} byte {offset}: {what}",
        key.group, key.incarnation
    )
}
