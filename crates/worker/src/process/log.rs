//! One attempt's log: a file of bounded length that keeps the head and the tail, and says what it left out between.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt as _;

/// The log being written. The head is on disk at once; the tail of a long log is kept in memory until the end.
pub(crate) struct LogWriter {
    path: PathBuf,
    file: File,
    /// Bytes that may still be written to the head.
    head_left: usize,
    tail_max: usize,
    tail: VecDeque<u8>,
    left_out: u64,
    pending: Vec<u8>,
}

impl LogWriter {
    /// A new log of at most about `bytes_max` bytes: half head, half tail.
    pub(crate) async fn create(path: PathBuf, bytes_max: usize) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(&path).await?;
        let head = bytes_max / 2;
        Ok(Self {
            path,
            file,
            head_left: head,
            tail_max: bytes_max - head,
            tail: VecDeque::new(),
            left_out: 0,
            pending: Vec::new(),
        })
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
        self.tail.extend(line);
        self.tail.push_back(b'\n');
        while self.tail.len() > self.tail_max {
            self.drop_oldest_line();
        }
    }

    fn drop_oldest_line(&mut self) {
        let end = self.tail.iter().position(|byte| *byte == b'\n').map_or(self.tail.len(), |at| at + 1);
        self.tail.drain(..end);
        self.left_out += end as u64;
    }

    /// Writes what was added to the head.
    pub(crate) async fn flush(&mut self) -> std::io::Result<()> {
        if !self.pending.is_empty() {
            self.file.write_all(&self.pending).await?;
            self.file.flush().await?;
            self.pending.clear();
        }
        self.mark().await
    }

    async fn mark(&self) -> std::io::Result<()> {
        match self.left_out {
            0 => Ok(()),
            _ => tokio::fs::write(mark_of(&self.path), b"").await,
        }
    }

    /// Writes the rest.
    pub(crate) async fn finish(mut self) -> std::io::Result<()> {
        if self.left_out > 0 {
            self.pending.extend(format!("[muster: {} bytes left out]\n", self.left_out).as_bytes());
        }
        let (front, back) = self.tail.as_slices();
        self.pending.extend_from_slice(front);
        self.pending.extend_from_slice(back);
        self.flush().await
    }
}

/// The empty file that says that a log was cut.
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
        let mut log = LogWriter::create(path.clone(), 100).await.unwrap();
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
        let mut log = LogWriter::create(path.clone(), 1000).await.unwrap();
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
}
