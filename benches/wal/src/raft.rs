//! raft-engine with the same load.
//!
//! Its groups let go of old entries as often as ours do. What it does about old files it does between two turns, and that
//! is not counted; ours frees its segments while it is measured.

use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use protobuf::well_known_types::BytesValue;
use raft_engine::{Command, Config, Engine, LogBatch, MessageExt, ReadableSize};

use crate::{KEPT, PAYLOAD, Result, figures::Figures, turns::Writer};

/// An entry is bytes that begin with its index.
#[derive(Clone)]
struct Ext;

impl MessageExt for Ext {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        entry.value.first_chunk().map_or(0, |raw| u64::from_le_bytes(*raw))
    }
}

fn entry(index: u64) -> BytesValue {
    let mut entry = BytesValue::new();
    entry.value = vec![7; PAYLOAD];
    entry.value[..8].copy_from_slice(&index.to_le_bytes());
    entry
}

/// Adds the group's next entry.
fn add(batch: &mut LogBatch, group: u64, index: u64) -> raft_engine::Result<()> {
    if index > KEPT && index.is_multiple_of(KEPT) {
        batch.add_command(group, Command::Compact { index: index - KEPT });
    }
    batch.add_entries::<Ext>(group, &[entry(index)])
}

/// An engine and the groups that write to it.
pub(crate) struct Groups {
    engine: Arc<Engine>,
    /// The last index of each group, from group 1 on.
    indexes: Vec<u64>,
}

impl Groups {
    pub(crate) fn open(dir: &Path, groups: u64, prefill: bool) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let dir = dir.to_string_lossy().into_owned();
        let mut config = Config { dir, batch_compression_threshold: ReadableSize(0), ..Config::default() };
        if prefill {
            config.target_file_size = ReadableSize::mb(64);
            config.purge_threshold = ReadableSize::mb(1024);
            config.prefill_for_recycle = true;
        }
        Ok(Self { engine: Arc::new(Engine::open(config)?), indexes: vec![0; groups as usize] })
    }
}

/// Its own way: a thread per group, whose calls block until they are durable.
pub(crate) struct Threads(pub(crate) Groups);

impl Writer for Threads {
    fn turn(&mut self, time: Duration) -> Result<Figures> {
        let Groups { engine, indexes } = &mut self.0;
        engine.purge_expired_files()?;
        let (engine, start) = (&*engine, Instant::now());
        let nanos: Result<Vec<Vec<u64>>> = thread::scope(|scope| {
            let spawn = |(group, index)| scope.spawn(move || blocking(engine, (group, index), start + time));
            let threads: Vec<_> = (1..).zip(indexes).map(spawn).collect();
            threads.into_iter().map(|thread| Ok(thread.join().map_err(|_| "a thread panicked")??)).collect()
        });
        Ok(Figures::new(nanos?.concat(), start.elapsed()))
    }
}

fn blocking(engine: &Engine, (group, index): (u64, &mut u64), end: Instant) -> raft_engine::Result<Vec<u64>> {
    let mut nanos = Vec::new();
    loop {
        let one = Instant::now();
        *index += 1;
        let mut batch = LogBatch::default();
        add(&mut batch, group, *index)?;
        engine.write(&mut batch, true)?;
        nanos.push(one.elapsed().as_nanos() as u64);
        if Instant::now() > end {
            return Ok(nanos);
        }
    }
}

/// One thread that writes what all groups want as one batch: what a callback interface over it would do.
pub(crate) struct Batched(pub(crate) Groups);

impl Writer for Batched {
    fn turn(&mut self, time: Duration) -> Result<Figures> {
        let Groups { engine, indexes } = &mut self.0;
        engine.purge_expired_files()?;
        let (ask, asked) = mpsc::sync_channel(indexes.len() * 2);
        let (tell, told) = mpsc::sync_channel(indexes.len() * 2);
        let engine = engine.clone();
        let writer = thread::spawn(move || write_batches(&engine, &asked, &tell));
        let figures = ask_for(time, indexes, (ask, told));
        writer.join().map_err(|_| "the writer panicked")??;
        figures
    }
}

/// A group's place, and the index that it wants to write.
type Wish = (usize, u64);

fn ask_for(
    time: Duration,
    indexes: &mut [u64],
    (ask, told): (mpsc::SyncSender<Wish>, mpsc::Receiver<usize>),
) -> Result<Figures> {
    let groups = indexes.len();
    let mut next = |at: usize| {
        indexes[at] += 1;
        ask.send((at, indexes[at]))
    };
    let (mut nanos, start) = (Vec::new(), Instant::now());
    let mut began = vec![start; groups];
    (0..groups).try_for_each(&mut next)?;
    let mut now = start;
    while now - start < time {
        let at = told.recv()?;
        now = Instant::now();
        nanos.push((now - began[at]).as_nanos() as u64);
        began[at] = now;
        next(at)?;
    }
    let took = start.elapsed();
    (0..groups).try_for_each(|_| told.recv().map(drop))?;
    Ok(Figures::new(nanos, took))
}

fn write_batches(
    engine: &Engine,
    asked: &mpsc::Receiver<Wish>,
    tell: &mpsc::SyncSender<usize>,
) -> raft_engine::Result<()> {
    while let Ok(first) = asked.recv() {
        let all: Vec<_> = std::iter::once(first).chain(asked.try_iter()).collect();
        let mut batch = LogBatch::default();
        all.iter().try_for_each(|(at, index)| add(&mut batch, *at as u64 + 1, *index))?;
        engine.write(&mut batch, true)?;
        if all.iter().any(|(at, _)| tell.send(*at).is_err()) {
            break;
        }
    }
    Ok(())
}
