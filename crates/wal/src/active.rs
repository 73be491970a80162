//! The segment that is being written.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::{
    Options,
    disk::{Disk, DiskFile},
    fault::{During, Fault},
    format::{BLOCK, Encoded, Record, SegmentHeader, Stamp, encode, segment_name},
    recovery::Tail,
    sabotage::is_sabotaged,
    spares::Spare,
    timer::Stopwatch,
};

/// One open segment file.
pub(crate) struct Active {
    file: Box<dyn DiskFile>,
    pub(crate) segment: u64,
    salt: u64,
    pub(crate) tail: Tail,
    /// Where the next batch goes.
    at: u64,
    /// Up to here the file is written.
    bytes: u64,
}

impl Active {
    /// Turns a spare into a segment: its header is durable before its name is.
    pub(crate) fn start(
        disk: &dyn Disk,
        options: &Options,
        spare: Spare,
        (segment, tail): (u64, Tail),
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
            recycled: spare.recycled,
        };
        let mut file = disk.open(&spare.name).during("open a spare segment")?;
        file.write_at(0, &header.encode()).during("write a segment header")?;
        file.sync().during("sync a segment header")?;
        disk.rename(&spare.name, &segment_name(segment)).during("name a segment")?;
        disk.sync_dir().during("sync the log directory")?;
        let bytes = spare.bytes.max(BLOCK as u64);
        Ok(Self { file, segment, salt, tail, at: BLOCK as u64, bytes })
    }

    /// Where the next batch's bytes begin in the file.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    pub(crate) fn encode<'a>(
        &self,
        records: impl Iterator<Item = &'a Record> + Clone,
        out: &mut Vec<u8>,
    ) -> Encoded {
        let Tail { batch, lsn, chain } = self.tail;
        encode(&Stamp { segment: self.segment, salt: self.salt, batch, lsn, chain }, records, out)
    }

    /// An empty segment takes any batch.
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        self.at == BLOCK as u64 || self.at + bytes as u64 <= self.bytes
    }

    /// One write and one sync.
    pub(crate) fn write(&mut self, batch: &[u8]) -> Result<(), Fault> {
        self.file.write_at(self.at, batch).during("write a batch")?;
        if is_sabotaged("batch-synced") {
            return Ok(());
        }
        let watch = Stopwatch::start();
        self.file.sync().during("sync a batch")?;
        metrics::histogram!("muster_wal_sync_seconds").record(watch.seconds());
        Ok(())
    }

    /// The batch just written is durable.
    pub(crate) fn advance(&mut self, bytes: usize, batch: Encoded) {
        self.at += bytes as u64;
        self.bytes = self.bytes.max(self.at);
        let lsn = self.tail.lsn + batch.records as u64;
        self.tail = Tail { batch: self.tail.batch + 1, lsn, chain: batch.crc };
    }

    /// Gives back what is behind the last batch, if that is much.
    pub(crate) fn trim(&mut self) -> Result<(), Fault> {
        if self.at * 2 > self.bytes {
            return Ok(());
        }
        self.bytes = self.at;
        self.file.set_len(self.at).during("trim a segment")
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that are still free in it.
    pub(crate) fn left(&self) -> u64 {
        self.bytes - self.at
    }

    /// Whether it is time to have the next one ready.
    pub(crate) fn is_quarter_full(&self) -> bool {
        self.at * 4 >= self.bytes
    }
}
