//! Shards' logs: read in pieces, dropped after their time.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use muster_wire::JobId;
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::LogChunk;
use muster_wire::rpc::worker::ReadShardLog;

use super::{Shell, remove_folder};
use crate::process::log::{Layout, LiveTail, Spot, mark_of};
use crate::store::At;

/// The largest piece of one answer, bytes.
const PIECE_BYTES_MAX: u64 = 256 * 1024;

impl Shell {
    /// A piece of a log. An attempt that wrote none has an empty log; a job that was never here, or whose logs are
    /// past their time, is [`RpcError::UnknownJob`].
    pub(super) async fn read_log(&self, call: ReadShardLog) -> Result<LogChunk, RpcError> {
        let at = At::new(call.job, call.key);
        // Asked before the file is read: what comes between is in the file.
        let (tail, knows) = self.is_there(at);
        let runs = tail.is_some();
        let path = self.folders.log(at);
        let read = self.on_disk(move || read_piece(&path, &call, tail)).await;
        let finished = |end, length| !runs && end >= length;
        match read.unwrap_or_else(|| Err(std::io::Error::other("the reader was stopped"))) {
            Ok((chunk, length)) => Ok(LogChunk { finished: finished(end_of(&chunk), length), ..chunk }),
            Err(error) => nothing(&error, knows).map(|chunk| LogChunk { finished: !runs, ..chunk }),
        }
    }

    /// The end of its log if the attempt runs; and is its job known?
    fn is_there(&self, at: At) -> (Option<LiveTail>, bool) {
        let engine = self.engine();
        (engine.running.get(&at).map(|running| running.tail.clone()), engine.core.knows(at.job))
    }
}

const fn end_of(chunk: &LogChunk) -> u64 {
    chunk.offset + chunk.bytes.len() as u64
}

fn nothing(error: &std::io::Error, knows: bool) -> Result<LogChunk, RpcError> {
    match (error.kind(), knows) {
        (std::io::ErrorKind::NotFound, true) => Ok(LogChunk::default()),
        (std::io::ErrorKind::NotFound, false) => Err(RpcError::UnknownJob),
        _ => Err(RpcError::Unknown { why: error.to_string() }),
    }
}

/// The piece, and the length of the whole.
fn read_piece(path: &Path, call: &ReadShardLog, tail: Option<LiveTail>) -> std::io::Result<(LogChunk, u64)> {
    let file = File::open(path)?;
    let layout = layout(path, &file, tail.as_ref())?;
    let limit = u64::from(call.limit).min(PIECE_BYTES_MAX);
    let offset = call.offset.unwrap_or(layout.length().saturating_sub(limit)).min(layout.length());
    let (offset, bytes) = match layout.spot(offset, limit) {
        Spot::Head(from, length) => (offset, read_at(file, from, length)?),
        Spot::Gap => gap(&layout),
        Spot::Tail(from, length) => (offset, read_tail(file, &layout, (tail, from, length))?),
    };
    let truncated = layout.left_out > 0;
    Ok((LogChunk { offset, bytes, finished: false, truncated }, layout.length()))
}

/// Of a log that is being written, as its writer knows it; else by its mark; without one it is all head.
fn layout(path: &Path, file: &File, tail: Option<&LiveTail>) -> std::io::Result<Layout> {
    if let Some(tail) = tail {
        return Ok(tail.layout());
    }
    let mark = std::fs::read(mark_of(path)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    match mark {
        Some(layout) => Ok(layout),
        None => Ok(Layout { head: file.metadata()?.len(), ..Layout::default() }),
    }
}

fn read_at(mut file: File, from: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A line stands for what is left out; it ends where the tail begins.
fn gap(layout: &Layout) -> (u64, Vec<u8>) {
    let line = layout.gap_line().into_bytes();
    (layout.tail_start().saturating_sub(line.len() as u64), line)
}

fn read_tail(
    file: File,
    layout: &Layout,
    (tail, from, length): (Option<LiveTail>, u64, u64),
) -> std::io::Result<Vec<u8>> {
    let gap = if layout.left_out > 0 { layout.gap_line().len() as u64 } else { 0 };
    match tail {
        Some(tail) => Ok(tail.bytes(from, length)),
        None => read_at(file, layout.head + gap + from, length),
    }
}

/// The logs of one job.
struct JobLogs {
    job: JobId,
    folder: PathBuf,
    bytes: u64,
    /// Last written, milliseconds since 1970.
    newest_ms: u64,
}

/// What becomes of logs.
pub(super) struct Sweep {
    pub(super) logs: PathBuf,
    pub(super) now_ms: u64,
    pub(super) retention: Duration,
    pub(super) bytes_max: u64,
    /// Jobs that are not over.
    pub(super) known: Vec<JobId>,
    /// Jobs whose logs are being written.
    pub(super) open: Vec<JobId>,
}

impl Sweep {
    /// Drops the logs of jobs that were over for long enough, then the oldest until the rest fits. Answers the bytes
    /// left. Blocks.
    pub(super) fn run(&self) -> std::io::Result<u64> {
        let (old, mut kept): (Vec<_>, Vec<_>) =
            list(&self.logs)?.into_iter().partition(|job| self.is_old(job));
        old.iter().for_each(|job| remove_folder(&job.folder));
        kept.sort_by_key(|job| (self.open.contains(&job.job), self.known.contains(&job.job), job.newest_ms));
        let mut bytes: u64 = kept.iter().map(|job| job.bytes).sum();
        for job in kept.iter().filter(|job| !self.open.contains(&job.job)) {
            if bytes <= self.bytes_max {
                break;
            }
            remove_folder(&job.folder);
            bytes -= job.bytes;
        }
        Ok(bytes)
    }

    fn is_old(&self, job: &JobLogs) -> bool {
        let age_ms = self.now_ms.saturating_sub(job.newest_ms);
        !self.known.contains(&job.job) && u128::from(age_ms) > self.retention.as_millis()
    }
}

fn list(logs: &Path) -> std::io::Result<Vec<JobLogs>> {
    let mut jobs = Vec::new();
    for entry in std::fs::read_dir(logs)? {
        let entry = entry?;
        let job = entry.file_name().to_str().and_then(|name| name.parse::<JobId>().ok());
        jobs.extend(job.map(|job| measure(job, entry.path())));
    }
    Ok(jobs)
}

fn measure(job: JobId, folder: PathBuf) -> JobLogs {
    let (mut bytes, mut newest_ms) = (0, 0);
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    for metadata in files.filter_map(|file| file.metadata().ok()) {
        bytes += metadata.len();
        let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        newest_ms = modified.map_or(0, |at| at.as_millis() as u64).max(newest_ms);
    }
    JobLogs { job, folder, bytes, newest_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(logs: &Path) -> Sweep {
        Sweep {
            logs: logs.into(),
            now_ms: muster_runtime::Clock::system().unix_ms(),
            retention: Duration::from_secs(3600),
            bytes_max: 1000,
            known: Vec::new(),
            open: Vec::new(),
        }
    }

    fn log(logs: &Path, job: JobId, bytes: usize) -> PathBuf {
        let folder = logs.join(job.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("0-0-1.log"), vec![b'x'; bytes]).unwrap();
        folder
    }

    #[test]
    fn logs_of_jobs_that_are_over_go_after_their_time() {
        let folder = tempfile::tempdir().unwrap();
        let (over, known) = (log(folder.path(), JobId(1), 10), log(folder.path(), JobId(2), 10));
        let mut sweep = sweep(folder.path());
        sweep.known = vec![JobId(2)];
        assert_eq!(sweep.run().unwrap(), 20);
        sweep.now_ms += 3_700_000;
        assert_eq!(sweep.run().unwrap(), 10);
        assert!(!over.exists() && known.exists());
    }

    #[test]
    fn too_many_logs_make_room_but_never_those_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let (open, known) = (log(folder.path(), JobId(1), 900), log(folder.path(), JobId(2), 400));
        let over = log(folder.path(), JobId(3), 400);
        let mut sweep = sweep(folder.path());
        (sweep.known, sweep.open) = (vec![JobId(1), JobId(2)], vec![JobId(1)]);
        assert_eq!(sweep.run().unwrap(), 900);
        assert!(open.exists() && !known.exists() && !over.exists());
    }
}
