//! Measures the write-ahead log beside the disk's own speed and beside raft-engine, all in one run.
//!
//! Every group has one append of 256 bytes in flight; an append counts when it is durable. Ours is driven as its host
//! does it: callbacks, no thread per group. raft-engine's calls block, so it is driven in both ways that there are: a
//! thread per group, and one thread that batches what all groups want.

mod collection;
mod figures;
mod ours;
mod raft;
mod raw;
mod turns;

use std::path::{Path, PathBuf};

use ours::Ours;
use raft::{Batched, Groups, Threads};
use raw::Raw;
use turns::{Row, take_turns};

const GROUPS: [u64; 3] = [1, 16, 256];
/// Bytes of an entry.
const PAYLOAD: usize = 256;
/// Entries that a group keeps, as one with snapshots does: files die and are used again.
const KEPT: u64 = 100;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let (numbers, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|name| is_number(name));
    let wants = |name: &str| names.iter().any(|one| one == name) || (names.is_empty() && name != "ours");
    let base =
        std::env::var_os("MUSTER_BENCH_DIR").map_or_else(|| PathBuf::from("target/bench-wal"), PathBuf::from);
    let groups: Vec<u64> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
    let groups = if groups.is_empty() { GROUPS.to_vec() } else { groups };
    let parts: [(&str, &dyn Fn() -> Result<()>); 5] = [
        ("append", &|| appends(&base, &groups, everyone)),
        ("ours", &|| appends(&base, &groups, alone)),
        ("recovery", &|| ours::recovery(&base)),
        ("gc", &|| collection::collection(&base)),
        ("idle", &|| idle(&base, names.len() != 1)),
    ];
    for (_, part) in parts.into_iter().filter(|(name, _)| wants(name)) {
        let _ = std::fs::remove_dir_all(&base);
        std::fs::create_dir_all(&base)?;
        part()?;
    }
    let _ = std::fs::remove_dir_all(&base);
    Ok(())
}

fn is_number(name: &str) -> bool {
    name.parse::<u64>().is_ok()
}

/// What a process has in memory tells nothing once it has done something else.
fn idle(base: &Path, has_done_more: bool) -> Result<()> {
    if !has_done_more {
        return ours::idle(base);
    }
    let status = std::process::Command::new(std::env::current_exe()?).arg("idle").status()?;
    if status.success() { Ok(()) } else { Err(format!("idle: {status}").into()) }
}

/// Appends of all writers, by turns. The last column tells how ours stands beside the row's writer, round by round.
fn appends(base: &Path, groups: &[u64], writers: fn(&Path, u64) -> Result<Vec<Row>>) -> Result<()> {
    println!("median (least–most) of the rounds; muster-wal's rate beside each other's of the same round\n");
    println!(
        "| groups | writer | appends/s | p50 µs | p99 µs | muster-wal beside it |\n|---|---|---|---|---|---|"
    );
    for groups in groups {
        let dir = base.join(groups.to_string());
        let mut rows = writers(&dir, *groups)?;
        rows.push(Row::new("muster-wal", Ours::open(&dir.join("ours"), *groups, Ours::options())?));
        take_turns(&mut rows)?;
        let [others @ .., ours] = rows.as_slice() else { continue };
        for row in others {
            println!("| {groups} | {} | {} | {:.2} |", row.name, row.cells(), ours.beside(row, |f| f.rate));
        }
        println!("| {groups} | {} | {} | |", ours.name, ours.cells());
        drop(rows);
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

fn everyone(dir: &Path, groups: u64) -> Result<Vec<Row>> {
    let open = |name: &str, prefill| Groups::open(&dir.join(name), groups, prefill);
    let engines = [
        Row::new("raft-engine, threads", Threads(open("threads", false)?)),
        Row::new("raft-engine, batched", Batched(open("batched", false)?)),
        Row::new("raft-engine, threads, prefilled", Threads(open("threads-prefilled", true)?)),
        Row::new("raft-engine, batched, prefilled", Batched(open("batched-prefilled", true)?)),
    ];
    Ok(alone(dir, groups)?.into_iter().chain(engines).collect())
}

/// Ours beside the raw disk only: for a quick look while something is changed, and not a part of a whole run.
fn alone(dir: &Path, _groups: u64) -> Result<Vec<Row>> {
    Ok(vec![Row::new("raw fdatasync of 4 KiB, pre-written", Raw::new(dir)?)])
}
