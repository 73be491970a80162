//! One attempt's log: a file of bounded length that keeps the head and the tail, and says what it left out between.
//!
//! Readers see one stream of bytes: the head, the gap, the tail. A place in it stays what it is while the log grows and
//! after its end, although the gap takes only a line in the file.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt as _;

/// What lies where in the stream of a log, bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Layout {
    /// On disk from the beginning.
    pub(crate) head: u64,
    /// Left out behind it.
    pub(crate) left_out: u64,
    /// Behind that.
    pub(crate) tail: u64,
}

/// Where a place of the stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spot {
    /// In the head, with so many bytes from there.
    Head(u64, u64),
    /// In what is left out.
    Gap,
    /// In the tail, with so many bytes from there.
    Tail(u64, u64),
}

impl Layout {
    /// All of it.
    pub(crate) const fn length(&self) -> u64 {
        self.head + self.left_out + self.tail
    }

    /// Where the tail begins.
    pub(crate) const fn tail_start(&self) -> u64 {
        self.head + self.left_out
    }

    /// Where `offset` is.
    pub(crate) fn spot(&self, offset: u64, limit: u64) -> Spot {
        let left = |end: u64, from: u64| end.saturating_sub(from).min(limit);
        match (offset < self.head, offset < self.tail_start()) {
            (true, _) => Spot::Head(offset, left(self.head, offset)),
            (false, true) => Spot::Gap,
            (false, false) => {
                let from = offset - self.tail_start();
                Spot::Tail(from.min(self.tail), left(self.tail, from))
            }
        }
    }

    /// The line that stands for what is left out.
    pub(crate) fn gap_line(&self) -> String {
        format!("[muster: {} bytes left out]\n", self.left_out)
    }
}

/// The part of a log that is not on disk while its attempt runs.
#[derive(Clone, Default)]
pub(crate) struct LiveTail(Arc<Mutex<Tail>>);

#[derive(Default)]
struct Tail {
    layout: Layout,
    bytes: VecDeque<u8>,
}

impl LiveTail {
    fn lock(&self) -> MutexGuard<'_, Tail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What lies where now.
    pub(crate) fn layout(&self) -> Layout {
        self.lock().layout
    }

    /// Bytes of the tail.
    pub(crate) fn bytes(&self, from: u64, length: u64) -> Vec<u8> {
        self.lock().bytes.iter().skip(from as usize).take(length as usize).copied().collect()
    }
}

impl Tail {
    fn put(&mut self, line: &[u8], max: usize) {
        self.bytes.extend(line);
        self.bytes.push_back(b'\n');
        while self.bytes.len() > max {
            self.drop_oldest_line();
        }
        self.layout.tail = self.bytes.len() as u64;
    }

    fn drop_oldest_line(&mut self) {
        let end = self.bytes.iter().position(|byte| *byte == b'\n').map_or(self.bytes.len(), |at| at + 1);
        self.bytes.drain(..end);
        self.layout.left_out += end as u64;
    }
}

/// The log being written. The head is on disk at once; the tail of a long log is kept in memory until the end.
pub(crate) struct LogWriter {
    path: PathBuf,
    file: File,
    /// Bytes that may still be written to the head.
    head_left: usize,
    tail_max: usize,
    live: LiveTail,
    pending: Vec<u8>,
    /// Its mark says so much was left out.
    marked: u64,
}

impl LogWriter {
    /// A new log of at most about `bytes_max` bytes: half head, half tail.
    pub(crate) async fn create(path: PathBuf, bytes_max: usize, live: LiveTail) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(&path).await?;
        let head = bytes_max / 2;
        let (head_left, tail_max) = (head, bytes_max - head);
        Ok(Self { path, file, head_left, tail_max, live, pending: Vec::new(), marked: 0 })
    }

    /// Adds one line.
    pub(crate) fn line(&mut self, line: &[u8]) {
        match line.len() < self.head_left {
            true => self.put_head(line),
            false => self.put_tail(line),
        }
    }

    fn put_head(&mut self, line: &[u8]) {
        self.pending.extend_from_slice(line);
        self.pending.push(b'\n');
        self.head_left -= line.len() + 1;
    }

    /// Once a line did not fit the head, all later ones belong to the tail.
    fn put_tail(&mut self, line: &[u8]) {
        self.head_left = 0;
        self.live.lock().put(line, self.tail_max);
    }

    /// Writes what was added to the head.
    pub(crate) async fn flush(&mut self) -> std::io::Result<()> {
        self.write().await?;
        let left_out = self.live.layout().left_out;
        match left_out > 0 && self.marked == 0 {
            true => self.mark().await,
            false => Ok(()),
        }
    }

    async fn write(&mut self) -> std::io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.pending).await?;
        self.file.flush().await?;
        self.live.lock().layout.head += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// The mark says that the log was cut, and at its end where.
    async fn mark(&mut self) -> std::io::Result<()> {
        let layout = self.live.layout();
        self.marked = layout.left_out;
        let text = serde_json::to_vec(&layout).map_err(std::io::Error::other)?;
        tokio::fs::write(mark_of(&self.path), text).await
    }

    /// Writes the rest.
    pub(crate) async fn finish(mut self) -> std::io::Result<()> {
        self.write().await?;
        let layout = self.live.layout();
        let mut rest = Vec::new();
        if layout.left_out > 0 {
            rest.extend(layout.gap_line().into_bytes());
            self.mark().await?;
        }
        rest.extend(self.live.bytes(0, layout.tail));
        self.file.write_all(&rest).await?;
        self.file.flush().await
    }
}

/// The small file that says that a log was cut, and where.
pub(crate) fn mark_of(log: &Path) -> PathBuf {
    log.with_extension("cut")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_short_log_is_kept_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job").join("a.log");
        let mut log = LogWriter::create(path.clone(), 100, LiveTail::default()).await.unwrap();
        (0..9).for_each(|n| log.line(format!("line {n:03}").as_bytes()));
        log.finish().await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 9);
        assert!(!mark_of(&path).exists());
    }

    #[tokio::test]
    async fn a_long_log_keeps_head_and_tail_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = LogWriter::create(path.clone(), 1000, LiveTail::default()).await.unwrap();
        for n in 0..1000 {
            log.line(format!("line {n:03}").as_bytes());
            log.flush().await.unwrap();
        }
        log.line(&vec![b'x'; 5000]);
        log.line(b"the end");
        log.finish().await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("line 000\n") && text.ends_with("\nthe end\n"), "{text}");
        assert!(text.contains("bytes left out]") && text.len() < 1100);
        assert!(mark_of(&path).exists());
    }

    #[test]
    fn a_place_in_the_stream_is_in_the_head_the_gap_or_the_tail() {
        let layout = Layout { head: 10, left_out: 90, tail: 5 };
        assert_eq!(layout.spot(4, 100), Spot::Head(4, 6));
        assert_eq!(layout.spot(10, 100), Spot::Gap);
        assert_eq!(layout.spot(102, 2), Spot::Tail(2, 2));
        assert_eq!(layout.spot(500, 2), Spot::Tail(5, 0));
        let whole = Layout { head: 10, ..Layout::default() };
        assert_eq!(whole.spot(10, 100), Spot::Tail(0, 0));
    }
}
