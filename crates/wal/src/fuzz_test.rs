//! Recovery of logs that were bent at random, with checksums made right again half of the time so that what is behind them
//! is reached too.

use std::{collections::BTreeMap, sync::Arc};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    Damage, GroupKey,
    format::{BLOCK, Op, Record},
    store::Store,
    testing::{SimDisk, entries, key, log_id, small, vote},
};

type Files = BTreeMap<String, Vec<u8>>;

/// A log with every kind of record, in three segments.
fn whole() -> Files {
    let disk = SimDisk::default();
    let (mut store, _) = Store::open(Arc::new(disk.clone()), small()).unwrap();
    let record = |group, op| Record { key: key(group, 1), op };
    let entry = |group, index| record(group, Op::Entry(entries(1, index..index + 1).remove(0)));
    let state =
        crate::format::State { vote: Some(vote(4)), purged: Some(log_id(1, 0)), ..Default::default() };
    let steps = [
        vec![record(1, Op::Create), record(1, Op::Vote(vote(2))), entry(1, 0), entry(1, 1)],
        vec![record(2, Op::Create), entry(2, 0), entry(2, 1)],
        vec![record(1, Op::Truncate(1)), entry(1, 1), record(2, Op::Purge(log_id(1, 0)))],
        vec![record(1, Op::State(Box::new(state))), record(1, Op::Copy(entries(1, 1..2).remove(0)))],
        vec![record(3, Op::Create), record(3, Op::Tombstone), record(1, Op::Evict(None))],
        vec![entry(2, 2), record(2, Op::Committed(log_id(1, 2)))],
        vec![record(2, Op::Damaged(2))],
    ];
    steps.iter().for_each(|step| store.commit(step).unwrap());
    store.seal().unwrap();
    disk.files()
}

/// Bends one file: flips, overwrites, cuts, swaps blocks, repeats a block of another file.
fn bend(files: &mut Files, rng: &mut StdRng) {
    let names: Vec<String> = files.keys().cloned().collect();
    let other = files[&names[rng.random_range(0..names.len())]].clone();
    let Some(bytes) = files.get_mut(&names[rng.random_range(0..names.len())]) else { return };
    let at = rng.random_range(0..bytes.len().max(1));
    match rng.random_range(0..6) {
        0 => flip(bytes, at, rng),
        1 => overwrite(bytes, at, rng),
        2 => bytes.truncate(at),
        3 => swap(bytes, rng),
        4 => paste(bytes, &other, rng),
        _ => bytes.extend_from_slice(&other),
    }
    if rng.random_bool(0.5) {
        make_right(bytes);
    }
}

fn flip(bytes: &mut [u8], at: usize, rng: &mut StdRng) {
    // Near the start of a block, where the headers are, more often than anywhere.
    let at = if rng.random_bool(0.7) { at / BLOCK * BLOCK + at % 400 } else { at };
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << rng.random_range(0..8);
    }
}

fn overwrite(bytes: &mut [u8], at: usize, rng: &mut StdRng) {
    let interesting = [0_u32, 1, u32::MAX, 1 << 31, 4095, 4096, 1 << 24, 63];
    let value = interesting[rng.random_range(0..interesting.len())].to_le_bytes();
    let at = at / BLOCK * BLOCK + (at % 400) / 4 * 4;
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&value);
    }
}

fn swap(bytes: &mut [u8], rng: &mut StdRng) {
    let blocks = bytes.len() / BLOCK;
    if blocks > 1 {
        let (one, two) = (rng.random_range(0..blocks), rng.random_range(0..blocks));
        (0..BLOCK).for_each(|at| bytes.swap(one * BLOCK + at, two * BLOCK + at));
    }
}

fn paste(bytes: &mut [u8], other: &[u8], rng: &mut StdRng) {
    let (to, from) = (bytes.len() / BLOCK, other.len() / BLOCK);
    if to > 0 && from > 0 {
        let (to, from) = (rng.random_range(0..to) * BLOCK, rng.random_range(0..from) * BLOCK);
        bytes[to..to + BLOCK].copy_from_slice(&other[from..from + BLOCK]);
    }
}

/// Gives every header and table its right checksum again, frames excepted.
fn make_right(bytes: &mut [u8]) {
    for (number, block) in bytes.chunks_mut(BLOCK).enumerate() {
        if number == 0 && block.len() == BLOCK {
            let crc = crc32fast::hash(&block[..BLOCK - 4]);
            block[BLOCK - 4..].copy_from_slice(&crc.to_le_bytes());
        }
        if number > 0 && block.len() == BLOCK {
            let rows = u32::from_le_bytes([block[40], block[41], block[42], block[43]]) as usize;
            if let Some(table) = block.get(64..64 + rows.min(80) * 48) {
                let crc = crc32fast::hash(table);
                block[48..52].copy_from_slice(&crc.to_le_bytes());
            }
            let crc = crc32fast::hash(&block[..60]);
            block[60..64].copy_from_slice(&crc.to_le_bytes());
        }
    }
}

/// What a log comes to; none when it is refused.
fn outcome(files: &Files) -> Option<(Vec<GroupKey>, Vec<Damage>, Files)> {
    let disk = SimDisk::from_files(files);
    let (store, damage) = Store::open(Arc::new(disk.clone()), small()).ok()?;
    let keys = store.ledger.shelves.all().into_iter().map(|(key, _)| key).collect();
    Some((keys, damage, disk.files()))
}

/// Never a panic, and what was recovered once is recovered the same again.
fn one(seed: u64, whole: &Files) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut files = whole.clone();
    (0..rng.random_range(1..5)).for_each(|_| bend(&mut files, &mut rng));
    let Some((keys, damage, after)) = outcome(&files) else { return };
    let (again, damage_again, _) =
        outcome(&after).unwrap_or_else(|| panic!("seed {seed}: refused after recovery"));
    assert_eq!((again, damage_again), (keys, damage), "seed {seed}");
}

#[test]
fn r10_bent_logs_are_recovered_or_refused_and_never_twice_in_different_ways() {
    let whole = whole();
    (0..20_000).for_each(|seed| one(seed, &whole));
}

/// Run with `MUSTER_WAL_FUZZ_SECONDS=600` to look for rarer faults.
#[test]
#[ignore = "a long search"]
fn bent_logs_for_as_long_as_asked() {
    let seconds =
        std::env::var("MUSTER_WAL_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_u32);
    let (whole, watch) = (whole(), crate::timer::Stopwatch::start());
    let mut seed = 1_000_000;
    while watch.seconds() < f64::from(seconds) {
        one(seed, &whole);
        seed += 1;
    }
    println!("{} bent logs", seed - 1_000_000);
}
