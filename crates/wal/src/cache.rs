//! The newest entries of all groups in memory, bounded in bytes: what is oldest goes first, once it is on disk.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use crate::{
    lock::{lock, write},
    view::GroupCell,
};

/// Appends that are remembered at most; older ones leave memory whatever they weigh.
const CHUNKS_MAX: usize = 65_536;

/// One append that is durable: its entries may leave memory.
struct Chunk {
    cell: Arc<GroupCell>,
    stamp: u64,
}

/// Counts the bytes of all entries in memory and lets go of the oldest.
pub(crate) struct Cache {
    bytes: AtomicUsize,
    bytes_max: usize,
    stamps: AtomicU64,
    chunks: Mutex<VecDeque<Chunk>>,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), bytes_max, stamps: AtomicU64::new(1), chunks: Mutex::default() }
    }

    /// The number of an append: a later one of the same group has a higher one.
    pub(crate) fn stamp(&self) -> u64 {
        self.stamps.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn grow(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn shrink(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// These appends are on disk; what is too much leaves memory.
    pub(crate) fn note(&self, appends: impl Iterator<Item = (Arc<GroupCell>, u64)>) {
        self.add(appends).into_iter().for_each(|chunk| self.release(&chunk));
        while let Some(chunk) = self.take_surplus() {
            self.release(&chunk);
        }
    }

    /// Gives back those that are too many.
    fn add(&self, appends: impl Iterator<Item = (Arc<GroupCell>, u64)>) -> Vec<Chunk> {
        let mut chunks = lock(&self.chunks);
        chunks.extend(appends.map(|(cell, stamp)| Chunk { cell, stamp }));
        let surplus = chunks.len().saturating_sub(CHUNKS_MAX);
        chunks.drain(..surplus).collect()
    }

    fn release(&self, chunk: &Chunk) {
        let freed = write(&chunk.cell.view).evict(chunk.stamp);
        self.shrink(freed);
    }

    fn take_surplus(&self) -> Option<Chunk> {
        match self.bytes() > self.bytes_max {
            true => lock(&self.chunks).pop_front(),
            false => None,
        }
    }
}
