//! raft-engine with the same load.

use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

use crate::{Result, TIME, figures::Figures};

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
    entry.value = vec![7; 256];
    entry.value[..8].copy_from_slice(&index.to_le_bytes());
    entry
}

fn open(dir: &Path, prefill: bool) -> Result<Arc<Engine>> {
    std::fs::create_dir_all(dir)?;
    let mut config =
        Config { dir: dir.to_string_lossy().into_owned(), batch_compression_threshold: ReadableSize(0), ..Config::default() };
    if prefill {
        config.target_file_size = ReadableSize::mb(64);
        config.purge_threshold = ReadableSize::mb(1024);
        config.prefill_for_recycle = true;
    }
    Ok(Arc::new(Engine::open(config)?))
}

/// Its own way: a thread per group, whose calls block until they are durable.
pub(crate) fn threads(dir: &Path, groups: u64, prefill: bool) -> Result<Figures> {
    let engine = open(dir, prefill)?;
    let start = Instant::now();
    let loads: Vec<_> = (1..=groups).map(|group| (group, engine.clone())).collect();
    let nanos = thread::scope(|scope| {
        let threads: Vec<_> = loads.into_iter().map(|(group, engine)| scope.spawn(move || blocking(&engine, group))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    Ok(Figures::new(nanos, start.elapsed()))
}

fn blocking(engine: &Engine, group: u64) -> Vec<u64> {
    let (mut nanos, start) = (Vec::new(), Instant::now());
    for index in 1.. {
        let one = Instant::now();
        let mut batch = LogBatch::default();
        if batch.add_entries::<Ext>(group, &[entry(index)]).is_err() || engine.write(&mut batch, true).is_err() {
            break;
        }
        nanos.push(one.elapsed().as_nanos() as u64);
        if start.elapsed() > TIME {
            break;
        }
    }
    nanos
}

/// One thread that writes what all groups want as one batch: what a callback interface over it would do.
pub(crate) fn batched(dir: &Path, groups: u64, prefill: bool) -> Result<Figures> {
    let engine = open(dir, prefill)?;
    let (ask, asked) = mpsc::sync_channel::<(u64, u64)>(groups as usize * 2);
    let (tell, told) = mpsc::sync_channel::<u64>(groups as usize * 2);
    let writer = thread::spawn(move || write_batches(&engine, &asked, &tell));
    let mut began = vec![Instant::now(); groups as usize + 1];
    let mut indexes = vec![1; groups as usize + 1];
    let (mut nanos, start) = (Vec::new(), Instant::now());
    for group in 1..=groups {
        ask.send((group, 1))?;
    }
    let mut now = start;
    while now - start < TIME {
        let group = told.recv()?;
        let at = group as usize;
        now = Instant::now();
        nanos.push((now - began[at]).as_nanos() as u64);
        indexes[at] += 1;
        began[at] = now;
        ask.send((group, indexes[at]))?;
    }
    let took = start.elapsed();
    drop(ask);
    drop(told);
    let _ = writer.join();
    Ok(Figures::new(nanos, took))
}

fn write_batches(engine: &Engine, asked: &mpsc::Receiver<(u64, u64)>, tell: &mpsc::SyncSender<u64>) {
    while let Ok(first) = asked.recv() {
        let all: Vec<_> = std::iter::once(first).chain(asked.try_iter()).collect();
        let mut batch = LogBatch::default();
        for (group, index) in &all {
            if batch.add_entries::<Ext>(*group, &[entry(*index)]).is_err() {
                return;
            }
        }
        let written = engine.write(&mut batch, true).is_ok();
        if !written || all.iter().any(|(group, _)| tell.send(*group).is_err()) {
            return;
        }
    }
}
