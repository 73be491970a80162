//! Measures the write-ahead log beside the disk's own speed and beside raft-engine, all in one run.
//!
//! Every group has one append of 256 bytes in flight; an append counts when it is durable. Ours is driven as its host
//! does it: callbacks, no thread per group. raft-engine's calls block, so it is driven in both ways that there are: a
//! thread per group, and one thread that batches what all groups want.

mod figures;
mod ours;
mod raft;
mod raw;

use std::{path::PathBuf, time::Duration};

use figures::Figures;

/// How long one figure is measured.
const TIME: Duration = Duration::from_millis(2500);
const GROUPS: [u64; 3] = [1, 16, 256];
/// Rounds over all modes; the median counts, since the machine may be shared.
const ROUNDS: usize = 3;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| names.iter().any(|one| one == name) || (names.is_empty() && name != "ours");
    let base = std::env::var_os("MUSTER_BENCH_DIR").map_or_else(|| PathBuf::from("target/bench-wal"), PathBuf::from);
    let parts: [(&str, fn(&std::path::Path) -> Result<()>); 5] =
        [("append", append), ("recovery", ours::recovery), ("gc", ours::collection), ("idle", ours::idle), ("ours", alone)];
    for (name, part) in parts {
        if wants(name) {
            let _ = std::fs::remove_dir_all(&base);
            std::fs::create_dir_all(&base)?;
            match name == "idle" && names.len() != 1 {
                true => in_a_fresh_process(name)?,
                false => part(&base)?,
            }
        }
    }
    let _ = std::fs::remove_dir_all(&base);
    Ok(())
}

/// What a process has in memory tells nothing once it has done something else.
fn in_a_fresh_process(name: &str) -> Result<()> {
    let status = std::process::Command::new(std::env::current_exe()?).arg(name).status()?;
    if status.success() { Ok(()) } else { Err(format!("{name}: {status}").into()) }
}

/// Appends of all writers, in rounds.
fn append(base: &std::path::Path) -> Result<()> {
    println!("| groups | writer | appends/s, median (best) | p50 | p99 |\n|---|---|---|---|---|");
    raw_row(base)?;
    for groups in GROUPS {
        let mut rows: Vec<(&str, Vec<Figures>)> =
            ["raft-engine, threads", "raft-engine, batched", "same, prefilled", "same, prefilled, threads", "muster-wal"]
                .map(|name| (name, Vec::new()))
                .into();
        for round in 0..ROUNDS {
            let dir = base.join(format!("{groups}-{round}"));
            rows[0].1.push(raft::threads(&dir.join("t"), groups, false)?);
            rows[1].1.push(raft::batched(&dir.join("b"), groups, false)?);
            rows[2].1.push(raft::batched(&dir.join("p"), groups, true)?);
            rows[3].1.push(raft::threads(&dir.join("q"), groups, true)?);
            rows[4].1.push(ours::appends(&dir.join("m"), groups)?);
            std::fs::remove_dir_all(&dir)?;
        }
        for (name, figures) in &mut rows {
            println!("| {groups} | {name} | {} |", figures::median(figures));
        }
    }
    raw_row(base)
}

/// Ours beside the raw disk only: for a quick look while something is changed, and not a part of a whole run.
fn alone(base: &std::path::Path) -> Result<()> {
    let chosen: Vec<u64> = std::env::args().filter_map(|name| name.parse().ok()).collect();
    for groups in GROUPS.into_iter().filter(|groups| chosen.is_empty() || chosen.contains(groups)) {
        raw_row(base)?;
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let dir = base.join(format!("{groups}-{round}"));
            rounds.push(ours::appends(&dir, groups)?);
            std::fs::remove_dir_all(&dir)?;
        }
        println!("| {groups} | muster-wal | {} |", figures::median(&mut rounds));
    }
    Ok(())
}

fn raw_row(base: &std::path::Path) -> Result<()> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(raw::syncs(base, TIME / 2)?);
    }
    println!("| – | raw fdatasync of 4 KiB, pre-written | {} |", figures::median(&mut rounds));
    Ok(())
}
