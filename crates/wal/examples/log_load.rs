//! A program for fault injection: `log_load write DIR` appends until the log fails and prints what was acknowledged, one
//! line each; `log_load check DIR` reads such lines and looks for each of them in the log.
//!
//! It exits with 0 when all is well, with 3 when the log failed or refused, and with 4 when something acknowledged is gone.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Write},
    path::Path,
    process::ExitCode,
    sync::mpsc,
    time::Duration,
};

use bytes::Bytes;
use muster_wal::{Entry, GroupKey, GroupLog, LogId, Options, Wal, WalError};

const GROUPS: u64 = 8;
const ENTRIES_MAX: u64 = 20_000;
const WAIT: Duration = Duration::from_secs(120);
const FAILED: u8 = 3;
const GONE: u8 = 4;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["write", dir] => write(Path::new(dir)),
        ["check", dir] => check(Path::new(dir)),
        _ => Err("usage: log_load write|check DIR".to_owned()),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(FAILED)
    })
}

fn options() -> Options {
    Options { segment_bytes: 1 << 20, budget_bytes: 16 << 20, ..Options::new([9; 16]) }
}

fn open(dir: &Path) -> Result<(Wal, Vec<GroupLog>), String> {
    let wal = Wal::open(dir, options()).map_err(|error| format!("refused: {error} ({error:?})"))?;
    let key = |group| GroupKey { group, incarnation: 1 };
    let logs: Result<Vec<_>, _> = (1..=GROUPS).map(|group| wal.open_group(key(group))).collect();
    Ok((wal, logs.map_err(|error| error.to_string())?))
}

fn write(dir: &Path) -> Result<ExitCode, String> {
    let (wal, logs) = open(dir)?;
    println!("open");
    let mut next: Vec<u64> =
        logs.iter().map(|log| log.reader().last().map_or(1, |last| last.index + 1)).collect();
    for _ in 0..ENTRIES_MAX {
        for (log, next) in logs.iter().zip(&mut next) {
            append(log, *next)?;
            println!("{} {next}", log.key().group);
            io::stdout().flush().map_err(|error| error.to_string())?;
            *next += 1;
        }
    }
    drop(logs);
    wal.close().map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string())
}

fn append(log: &GroupLog, index: u64) -> Result<(), String> {
    let (tell, told) = mpsc::sync_channel(1);
    let done = Box::new(move |result: Result<(), WalError>| drop(tell.send(result)));
    log.append(vec![entry(log.key().group, index)], done).map_err(|error| format!("refused: {error}"))?;
    let result = told.recv_timeout(WAIT).map_err(|_| "nothing was heard of an append".to_owned())?;
    result.map_err(|error| format!("failed: {error} ({error:?})"))
}

fn entry(group: u64, index: u64) -> Entry {
    let payload = Bytes::from(format!("group {group} index {index} ").repeat(20));
    Entry { id: LogId { term: 1, origin: 1, index }, payload }
}

/// The last line may be cut short: it does not count.
fn check(dir: &Path) -> Result<ExitCode, String> {
    let mut acknowledged: BTreeMap<u64, u64> = BTreeMap::new();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        if let [group, index] = numbers[..] {
            acknowledged.insert(group, index);
        }
    }
    let (wal, logs) = open(dir)?;
    let missing: u64 = logs.iter().map(|log| missing(log, &acknowledged)).sum();
    println!("acknowledged {} missing {missing}", acknowledged.values().sum::<u64>());
    drop(logs);
    wal.close().map_err(|error| error.to_string())?;
    Ok(ExitCode::from(if missing == 0 { 0 } else { GONE }))
}

fn missing(log: &GroupLog, acknowledged: &BTreeMap<u64, u64>) -> u64 {
    let group = log.key().group;
    let last = acknowledged.get(&group).copied().unwrap_or_default();
    let found = log.reader().entries(1..last + 1, usize::MAX).unwrap_or_default();
    let whole = found.iter().filter(|one| **one == entry(group, one.id.index)).count() as u64;
    last - whole.min(last)
}
