//! The segment that is being written.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::{
    Options,
    disk::{Disk, DiskFile},
    fault::{During, Fault},
    format::{BLOCK, Record, SegmentHeader, Stamp, encode, segment_name, temporary_name},
    recovery::Tail,
    timer::Stopwatch,
};

/// How far ahead of the batches a segment is filled with zeros: inside of that a sync changes no file metadata.
const PREWRITE_BYTES: u64 = 1 << 20;
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// One open segment file.
pub(crate) struct Active {
    file: Box<dyn DiskFile>,
    pub(crate) segment: u64,
    salt: u64,
    pub(crate) tail: Tail,
    /// Where the next batch goes.
    at: u64,
    /// Up to here the file is written.
    frontier: u64,
}

impl Active {
    /// Makes a segment whose header is durable before its name is.
    pub(crate) fn create(
        disk: &mut dyn Disk,
        options: &Options,
        segment: u64,
        tail: Tail,
    ) -> Result<Self, Fault> {
        let salt = RandomState::new().build_hasher().finish();
        let header = SegmentHeader {
            node: options.node,
            member: options.member,
            segment,
            salt,
            chain: tail.chain,
            first_batch: tail.batch,
            first_lsn: tail.lsn,
        };
        let temporary = temporary_name(segment);
        let mut file = disk.create(&temporary).during("create a segment")?;
        file.write_at(0, &header.encode()).during("write a segment header")?;
        file.sync().during("sync a segment header")?;
        disk.rename(&temporary, &segment_name(segment)).during("name a segment")?;
        disk.sync_dir().during("sync the log directory")?;
        Ok(Self { file, segment, salt, tail, at: BLOCK as u64, frontier: BLOCK as u64 })
    }

    pub(crate) fn encode(&self, records: &[Record], out: &mut Vec<u8>) -> u32 {
        let Tail { batch, lsn, chain } = self.tail;
        encode(&Stamp { segment: self.segment, salt: self.salt, batch, lsn, chain }, records, out)
    }

    /// An empty segment takes any batch.
    pub(crate) fn fits(&self, bytes: usize, segment_bytes: u64) -> bool {
        self.at == BLOCK as u64 || self.at + bytes as u64 <= segment_bytes
    }

    /// One write and one sync.
    pub(crate) fn write(&mut self, batch: &[u8], segment_bytes: u64) -> Result<(), Fault> {
        let end = self.at + batch.len() as u64;
        self.file.write_at(self.at, batch).during("write a batch")?;
        if end > self.frontier {
            self.prewrite(end, segment_bytes)?;
        }
        let watch = Stopwatch::start();
        self.file.sync().during("sync a batch")?;
        metrics::histogram!("muster_wal_sync_seconds").record(watch.seconds());
        Ok(())
    }

    fn prewrite(&mut self, end: u64, segment_bytes: u64) -> Result<(), Fault> {
        let goal = (end + PREWRITE_BYTES).min(segment_bytes).max(end);
        let mut at = end;
        while at < goal {
            let step = (goal - at).min(ZEROS.len() as u64);
            self.file.write_at(at, &ZEROS[..step as usize]).during("prepare a segment")?;
            at += step;
        }
        self.frontier = goal;
        Ok(())
    }

    /// The batch just written is durable.
    pub(crate) fn advance(&mut self, bytes: usize, records: usize, chain: u32) {
        self.at += bytes as u64;
        self.tail = Tail { batch: self.tail.batch + 1, lsn: self.tail.lsn + records as u64, chain };
    }

    /// Gives back what is behind the last batch.
    pub(crate) fn trim(&mut self) -> Result<(), Fault> {
        self.file.set_len(self.at).during("trim a segment")
    }

    pub(crate) fn used(&self) -> u64 {
        self.at
    }

    pub(crate) fn allocated(&self) -> u64 {
        self.frontier
    }
}
