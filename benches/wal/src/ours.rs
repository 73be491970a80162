//! muster-wal with the same load, and what only it is asked.

use std::{
    path::Path,
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use bytes::Bytes;
use muster_wal::{Done, Entry, GroupKey, GroupLog, LogId, Options, Wal};

use crate::{KEPT, PAYLOAD, Result, figures::Figures, turns::Writer};

pub(crate) fn key(group: u64) -> GroupKey {
    GroupKey { group, incarnation: 1 }
}

pub(crate) fn entry(index: u64, payload: &Bytes) -> Entry {
    Entry { id: LogId { term: 1, origin: 1, index }, payload: payload.clone() }
}

/// One append in flight per group, driven by one thread with callbacks into one channel, as raft-engine's batching thread
/// is.
struct Load {
    logs: Vec<GroupLog>,
    indexes: Vec<u64>,
    began: Vec<Instant>,
    /// One per group: entries of different groups share nothing.
    payloads: Vec<Bytes>,
    tell: &'static mpsc::SyncSender<usize>,
    told: mpsc::Receiver<usize>,
}

impl Load {
    fn new(wal: &Wal, groups: u64) -> Result<Self> {
        let logs: std::result::Result<Vec<_>, _> =
            (1..=groups).map(|group| wal.open_group(key(group))).collect();
        let (tell, told) = mpsc::sync_channel(groups as usize * 2);
        let groups = groups as usize;
        Ok(Self {
            logs: logs?,
            indexes: vec![0; groups],
            began: vec![Instant::now(); groups],
            payloads: (0..groups).map(|_| Bytes::from(vec![7; PAYLOAD])).collect(),
            tell: Box::leak(Box::new(tell)),
            told,
        })
    }

    fn append(&mut self, at: usize, now: Instant) -> Result<()> {
        let tell = self.tell;
        self.began[at] = now;
        let done: Done = Box::new(move |result| {
            if result.is_ok() {
                let _ = tell.send(at);
            }
        });
        self.indexes[at] += 1;
        Ok(self.logs[at].append(vec![entry(self.indexes[at], &self.payloads[at])], done)?)
    }

    fn run(&mut self, time: Duration) -> Result<Figures> {
        (0..self.logs.len()).try_for_each(|at| self.append(at, Instant::now()))?;
        let (mut nanos, start) = (Vec::new(), Instant::now());
        let mut now = start;
        while now - start < time {
            let at = self.told.recv()?;
            now = Instant::now();
            nanos.push((now - self.began[at]).as_nanos() as u64);
            self.purge(at)?;
            self.append(at, now)?;
        }
        let took = start.elapsed();
        for _ in 0..self.logs.len() {
            self.told.recv()?;
        }
        Ok(Figures::new(nanos, took))
    }

    fn purge(&mut self, at: usize) -> Result<()> {
        let index = self.indexes[at];
        if index > KEPT && index.is_multiple_of(KEPT) {
            self.logs[at].purge(LogId { term: 1, origin: 1, index: index - KEPT })?;
        }
        Ok(())
    }
}

/// A log and its load.
pub(crate) struct Ours {
    load: Load,
    wal: Wal,
}

impl Ours {
    pub(crate) fn options() -> Options {
        Options::new([1; 16])
    }

    /// A fresh log, in the state of a node that works.
    pub(crate) fn open(dir: &Path, groups: u64, options: Options) -> Result<Self> {
        let wal = Wal::open(dir, options)?;
        warm_up(&wal, groups)?;
        Ok(Self { load: Load::new(&wal, groups)?, wal })
    }

    pub(crate) fn wal(&self) -> &Wal {
        &self.wal
    }
}

impl Writer for Ours {
    fn turn(&mut self, time: Duration) -> Result<Figures> {
        self.load.run(time)
    }
}

/// Until the first full segment is in use: that is the state of a node that works. What filled the one before goes, so
/// that segments die and are used again.
fn warm_up(wal: &Wal, groups: u64) -> Result<()> {
    let log = wal.open_group(key(groups + 1))?;
    let payload = Bytes::from(vec![7; 1 << 20]);
    let (tell, told) = mpsc::sync_channel(1);
    for index in 1..=12 {
        let tell = tell.clone();
        log.append(vec![entry(index, &payload)], Box::new(move |_| tell.send(()).unwrap_or_default()))?;
        told.recv()?;
    }
    drop(log);
    wal.remove_group(key(groups + 1), Box::new(move |_| tell.send(()).unwrap_or_default()))?;
    Ok(told.recv()?)
}

/// How fast a log of a million records is read back, page cache warm.
pub(crate) fn recovery(base: &Path) -> Result<()> {
    const RECORDS: u64 = 2_000_000;
    let dir = base.join("recovery");
    let options = Options { queue_bytes_max: 1 << 30, queue_records_max: 1 << 24, ..Options::new([1; 16]) };
    let wal = Wal::open(&dir, options.clone())?;
    let payload = Bytes::from(vec![7; PAYLOAD]);
    let logs: std::result::Result<Vec<_>, _> = (1..=256).map(|group| wal.open_group(key(group))).collect();
    let logs = logs?;
    for first in (1..=RECORDS / 256).step_by(100) {
        let (tell, told) = mpsc::sync_channel(256);
        for log in &logs {
            let tell = tell.clone();
            let last = (first + 100).min(RECORDS / 256 + 1);
            let entries = (first..last).map(|index| entry(index, &payload)).collect();
            log.append(entries, Box::new(move |_| tell.send(()).unwrap_or_default()))?;
        }
        drop(tell);
        told.iter().for_each(drop);
    }
    drop(logs);
    wal.close()?;
    println!(
        "\n| recovery of {RECORDS} records of {PAYLOAD} bytes | took | records/s | per core |\n|---|---|---|---|"
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    for _ in 0..3 {
        let start = Instant::now();
        let wal = Wal::open(&dir, options.clone())?;
        let took = start.elapsed().as_secs_f64();
        let rate = RECORDS as f64 / took;
        println!("| | {took:.2} s | {rate:.0} | {:.0} |", rate / cores as f64);
        wal.close()?;
    }
    Ok(())
}

/// What groups cost that do nothing, and what short jobs write.
pub(crate) fn idle(base: &Path) -> Result<()> {
    let wal = Wal::open(&base.join("idle"), Options::new([1; 16]))?;
    let before = resident();
    let logs: std::result::Result<Vec<_>, _> = (1..=4096).map(|group| wal.open_group(key(group))).collect();
    let logs = logs?;
    let (tell, told) = mpsc::sync_channel(4096);
    for log in &logs {
        let tell = tell.clone();
        let first = entry(1, &Bytes::from_static(b"membership"));
        log.append(vec![first], Box::new(move |_| tell.send(()).unwrap_or_default()))?;
    }
    told.iter().take(4096).for_each(drop);
    std::thread::sleep(Duration::from_millis(200));
    let (bytes, stats) = (resident().saturating_sub(before), wal.stats());
    std::thread::sleep(Duration::from_secs(3));
    let after = wal.stats();
    println!("\n| 4,096 idle groups with a vote's worth of log, 3 s | |\n|---|---|");
    println!("| syncs | {} |", after.syncs + after.seals - stats.syncs - stats.seals);
    println!("| resident memory per group | {} B |", bytes / 4096);
    drop(logs);
    wal.close()?;
    short_jobs(base)
}

/// Create, a hundred entries, remove; ten jobs at a time.
fn short_jobs(base: &Path) -> Result<()> {
    const JOBS: u64 = 10_000;
    let wal = Wal::open(&base.join("jobs"), Options { budget_bytes: 256 << 20, ..Options::new([1; 16]) })?;
    let payload = Bytes::from(vec![7; PAYLOAD]);
    let start = Instant::now();
    for first in (0..JOBS).step_by(64) {
        let jobs = first..(first + 64).min(JOBS);
        let logs: std::result::Result<Vec<_>, _> =
            jobs.clone().map(|job| wal.open_group(key(job + 1))).collect();
        let logs = logs?;
        for step in 0..10 {
            let (tell, told) = mpsc::sync_channel(64);
            for log in &logs {
                let tell = tell.clone();
                let entries = (step * 10 + 1..=step * 10 + 10).map(|index| entry(index, &payload)).collect();
                log.append(entries, Box::new(move |_| tell.send(()).unwrap_or_default()))?;
            }
            drop(tell);
            told.iter().for_each(drop);
        }
        drop(logs);
        let (tell, told) = mpsc::sync_channel(64);
        for job in jobs {
            let tell = tell.clone();
            wal.remove_group(key(job + 1), Box::new(move |_| tell.send(()).unwrap_or_default()))?;
        }
        drop(tell);
        told.iter().for_each(drop);
    }
    let took = start.elapsed().as_secs_f64();
    let stats = Arc::new(Mutex::new(wal.stats()));
    let stats = *stats.lock().map_err(|_| "poisoned")?;
    let asked = JOBS * 100 * (PAYLOAD as u64 + 24 + 48);
    println!("\n| {JOBS} short jobs of 100 entries | |\n|---|---|");
    println!("| took | {took:.1} s |");
    println!(
        "| bytes written / bytes of records (frame and row included) | {:.3} |",
        stats.bytes_written as f64 / asked as f64
    );
    println!("| copies | {} |", stats.copies);
    wal.close()?;
    Ok(())
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4096
}
