//! Reads what a process writes: reports into the attempt's report, all else into its log.

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::{mpsc, watch};

use super::lines::Lines;
use super::log::LogWriter;
use super::report::Report;
use super::samples::Sampler;

/// Pieces read and not yet recorded: the process waits when there are more.
const PIECES_MAX: usize = 8;
const PIECE_BYTES: usize = 8 * 1024;
/// Of the last line of stderr so much goes into the exit's reason.
const LAST_WORDS_CHARS: usize = 500;

#[derive(Clone, Copy)]
enum Source {
    Out,
    Err,
}

/// Keeps what one process writes.
pub(crate) struct Recorder {
    log: Option<LogWriter>,
    out: Lines,
    err: Lines,
    sink: Sink,
    tell: watch::Sender<Report>,
}

/// What lines become.
#[derive(Default)]
struct Sink {
    report: Report,
    reported: bool,
    log: Vec<Vec<u8>>,
    last_words: Vec<u8>,
    sampler: Option<Sampler>,
}

impl Sink {
    fn out_line(&mut self, line: &[u8]) {
        let Some(refused) = self.report.take(line) else { return self.log.push(line.to_vec()) };
        self.reported = true;
        let fresh = std::mem::take(&mut self.report.fresh);
        if let Some(sampler) = &self.sampler {
            sampler.take(&fresh);
        }
        self.log.extend(refused.into_iter().map(|why| format!("[muster: refused: {why}]").into_bytes()));
    }

    fn err_line(&mut self, line: &[u8]) {
        self.log.push(line.to_vec());
        if !line.trim_ascii().is_empty() {
            self.last_words = line.to_vec();
        }
    }
}

impl Recorder {
    /// Records into `log`; without one the lines are dropped.
    pub(crate) fn new(log: Option<LogWriter>, tell: watch::Sender<Report>, sampler: Sampler) -> Self {
        let sink = Sink { sampler: Some(sampler), ..Sink::default() };
        Self { log, out: Lines::default(), err: Lines::default(), sink, tell }
    }

    /// Reads both streams to their end.
    pub(crate) async fn pump(&mut self, out: ChildStdout, err: ChildStderr) {
        let (pieces, queue) = mpsc::channel(PIECES_MAX);
        let out = drain(out, Source::Out, pieces.clone());
        let err = drain(err, Source::Err, pieces);
        tokio::join!(out, err, self.record(queue));
    }

    async fn record(&mut self, mut queue: mpsc::Receiver<(Source, Vec<u8>)>) {
        while let Some((source, piece)) = queue.recv().await {
            self.take(source, &piece);
            self.flush().await;
        }
    }

    fn take(&mut self, source: Source, piece: &[u8]) {
        let sink = &mut self.sink;
        match source {
            Source::Out => self.out.push(piece, &mut |line| sink.out_line(line)),
            Source::Err => self.err.push(piece, &mut |line| sink.err_line(line)),
        }
    }

    async fn flush(&mut self) {
        if std::mem::take(&mut self.sink.reported) {
            self.tell.send_replace(self.sink.report.clone());
        }
        let lines = std::mem::take(&mut self.sink.log);
        let Some(log) = &mut self.log else { return };
        lines.iter().for_each(|line| log.line(line));
        if let Err(error) = log.flush().await {
            tracing::warn!(%error, "cannot write a shard's log; the rest of it is dropped");
            self.log = None;
        }
    }

    /// The streams are over: the report, and the last line of stderr.
    pub(crate) async fn finish(mut self) -> (Report, Option<String>) {
        let sink = &mut self.sink;
        self.out.end(&mut |line| sink.out_line(line));
        self.err.end(&mut |line| sink.err_line(line));
        self.flush().await;
        if let Some(Err(error)) = finish_log(self.log.take()).await {
            tracing::warn!(%error, "cannot write the end of a shard's log");
        }
        let words = String::from_utf8_lossy(&self.sink.last_words);
        let words: String = words.chars().take(LAST_WORDS_CHARS).collect();
        (self.sink.report, (!words.is_empty()).then_some(words))
    }
}

async fn finish_log(log: Option<LogWriter>) -> Option<std::io::Result<()>> {
    Some(log?.finish().await)
}

async fn drain(mut stream: impl AsyncRead + Unpin, source: Source, pieces: mpsc::Sender<(Source, Vec<u8>)>) {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        if pieces.send((source, piece[..length].to_vec())).await.is_err() {
            return;
        }
    }
}
