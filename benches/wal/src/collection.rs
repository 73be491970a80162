//! What it costs the groups that write when old segments are copied.

use std::{path::Path, sync::mpsc};

use bytes::Bytes;
use muster_wal::{Options, Stats, Wal};

use crate::{
    PAYLOAD, Result,
    ours::{Ours, entry, key},
    turns::{Row, take_turns},
};

const GROUPS: u64 = 256;
/// Little enough for every segment to be copied soon.
const BUDGET_BYTES: u64 = 192 << 20;

/// Latencies while old segments are copied beside those of the same load with nothing to copy, by turns.
pub(crate) fn collection(base: &Path) -> Result<()> {
    let without = Ours::open(&base.join("without"), GROUPS, Ours::options())?;
    let with =
        Ours::open(&base.join("with"), GROUPS, Options { budget_bytes: BUDGET_BYTES, ..Ours::options() })?;
    hold_old_segments(with.wal())?;
    let wals = [without.wal().clone(), with.wal().clone()];
    let mut rows = [Row::new("nothing to copy", without), Row::new("with collection", with)];
    take_turns(&mut rows)?;
    println!(
        "\n| {GROUPS} groups | appends/s | p50 µs | p99 µs | copies | segments freed |\n|---|---|---|---|---|---|"
    );
    for (row, wal) in rows.iter().zip(wals) {
        let Stats { copies, segments_deleted, .. } = wal.stats();
        println!("| {} | {} | {copies} | {segments_deleted} |", row.name, row.cells());
    }
    let [without, with] = &rows;
    let (rate, p99) = (with.beside(without, |f| f.rate), with.beside(without, |f| f.p99_us));
    println!("| with beside without | {rate:.2} | | {p99:.2} | | |");
    Ok(())
}

/// 2,000 quiet groups with 20 entries each, which have to be copied along.
fn hold_old_segments(wal: &Wal) -> Result<()> {
    let payload = Bytes::from(vec![7; PAYLOAD]);
    let (tell, told) = mpsc::sync_channel(2000);
    for group in 10_000..12_000 {
        let log = wal.open_group(key(group))?;
        let tell = tell.clone();
        let entries = (1..=20).map(|index| entry(index, &payload)).collect();
        log.append(entries, Box::new(move |_| tell.send(()).unwrap_or_default()))?;
    }
    told.iter().take(2000).for_each(drop);
    Ok(())
}
