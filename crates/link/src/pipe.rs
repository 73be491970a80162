//! The reading and the writing half of one socket.
//!
//! Whoever wants to send puts a frame into a bounded queue; one writer drains all that is ready into one write.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use muster_runtime::CancellationToken;
use muster_runtime::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use muster_wire::frame::{Frame, Kind, PAYLOAD_BYTES_MAX};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::event::DownCause;

/// Free room that a read wants to find.
const READ_ROOM: usize = 4 * 1024;
/// Room made for reads.
const READ_BYTES: usize = 64 * 1024;
/// Ready frames are gathered up to about this many bytes for one write.
const WRITE_BYTES: usize = 256 * 1024;
/// The queue's bytes are counted in units of this size.
const UNIT: usize = 1024;

/// Why a link ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Close {
    /// Something happened to it.
    Lost(DownCause),
    /// This side closed it.
    Here,
}

/// Why a frame was not queued; it will not be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SendFault {
    Busy,
    TooLarge,
    Closed,
}

/// A frame with its share of the queue's bytes.
struct Queued {
    frame: Frame,
    _share: OwnedSemaphorePermit,
}

/// What the users of one open socket share.
pub(crate) struct Pipe {
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    units: u32,
    closed: CancellationToken,
    cause: OnceLock<Close>,
    heard: AtomicU64,
}

/// The bounds of a pipe.
#[derive(Clone, Copy)]
pub(crate) struct PipeBounds {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
    pub(crate) write_timeout: Duration,
}

impl Pipe {
    /// The pipe of a socket and its writer's end.
    pub(crate) fn new(bounds: PipeBounds, stop: &CancellationToken) -> (Arc<Self>, Outgoing) {
        let (queue, frames) = mpsc::channel(bounds.frames);
        let units = u32::try_from((bounds.bytes / UNIT).max(1)).unwrap_or(u32::MAX);
        let room = Arc::new(Semaphore::new(units as usize));
        let (closed, cause, heard) = (stop.child_token(), OnceLock::new(), AtomicU64::new(0));
        let pipe = Arc::new(Self { queue, room, units, closed, cause, heard });
        let outgoing = Outgoing { pipe: pipe.clone(), frames, write_timeout: bounds.write_timeout };
        (pipe, outgoing)
    }

    /// Queues a frame, at once or not at all.
    pub(crate) fn try_send(&self, frame: Frame) -> Result<(), SendFault> {
        let units = self.units_of(&frame)?;
        let share = self.room.clone().try_acquire_many_owned(units).map_err(|_| SendFault::Busy)?;
        match self.queue.try_send(Queued { frame, _share: share }) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(SendFault::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(SendFault::Closed),
        }
    }

    /// Queues a frame, waiting for room until the pipe closes.
    pub(crate) async fn send(&self, frame: Frame) -> Result<(), SendFault> {
        let units = self.units_of(&frame)?;
        let room = self.room.clone();
        let queued = self.closed.run_until_cancelled(async {
            let share = room.acquire_many_owned(units).await.map_err(|_| SendFault::Closed)?;
            self.queue.send(Queued { frame, _share: share }).await.map_err(|_| SendFault::Closed)
        });
        queued.await.unwrap_or(Err(SendFault::Closed))
    }

    fn units_of(&self, frame: &Frame) -> Result<u32, SendFault> {
        match frame.payload.len() > PAYLOAD_BYTES_MAX {
            true => Err(SendFault::TooLarge),
            false => Ok(((frame.payload.len() / UNIT) as u32 + 1).min(self.units)),
        }
    }

    /// Ends the link; the first cause counts.
    pub(crate) fn close(&self, cause: Close) {
        let _ = self.cause.set(cause);
        self.closed.cancel();
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.closed.is_cancelled()
    }

    /// Why it was closed; `None` while it is open and when the node stops.
    pub(crate) fn cause(&self) -> Option<Close> {
        self.cause.get().copied()
    }

    /// Frames received so far.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Reads frames until the link ends, and closes the pipe.
    pub(crate) async fn read(
        &self,
        mut incoming: Incoming,
        mut on_frame: impl FnMut(Frame) -> Result<(), Close>,
    ) {
        let reading = async {
            loop {
                let frame = incoming.next().await?;
                self.heard.fetch_add(1, Ordering::Relaxed);
                on_frame(frame)?;
            }
        };
        let ended: Option<Result<(), Close>> = self.closed.run_until_cancelled(reading).await;
        if let Some(Err(cause)) = ended {
            self.close(cause);
        }
    }
}

/// The writer's end of a pipe.
pub(crate) struct Outgoing {
    pipe: Arc<Pipe>,
    frames: mpsc::Receiver<Queued>,
    write_timeout: Duration,
}

impl Outgoing {
    /// Writes queued frames, and what `news` turns into frames, until the link ends.
    pub(crate) async fn run(mut self, mut half: OwnedWriteHalf, mut news: News) {
        let pipe = self.pipe.clone();
        let writing = async {
            let mut buffer = BytesMut::with_capacity(READ_BYTES);
            while self.gather(&mut buffer, &mut news).await {
                if !write(&mut half, &buffer, self.write_timeout).await {
                    return;
                }
                recycle(&mut buffer);
            }
        };
        let ended = pipe.closed.run_until_cancelled(writing).await;
        if ended.is_some() {
            pipe.close(Close::Lost(DownCause::Reset));
        }
    }

    /// Waits for a frame and takes all that are ready, after everybody who is ready to run had a turn to bring more: the
    /// writer is woken by the first frame, and would write nearly each one by itself.
    async fn gather(&mut self, buffer: &mut BytesMut, news: &mut News) -> bool {
        let first = tokio::select! {
            biased;
            frame = news.next() => frame,
            queued = self.frames.recv() => queued.map(|queued| queued.frame),
        };
        let Some(first) = first else { return false };
        tokio::task::yield_now().await;
        let mut is_good = first.encode(buffer).is_ok();
        while buffer.len() < WRITE_BYTES {
            let Ok(queued) = self.frames.try_recv() else { break };
            is_good &= queued.frame.encode(buffer).is_ok();
        }
        is_good
    }
}

async fn write(half: &mut OwnedWriteHalf, buffer: &[u8], within: Duration) -> bool {
    matches!(tokio::time::timeout(within, half.write_all(buffer)).await, Ok(Ok(())))
}

/// Empties the buffer, and gives a large one back.
fn recycle(buffer: &mut BytesMut) {
    match buffer.capacity() > 2 * WRITE_BYTES {
        true => *buffer = BytesMut::with_capacity(READ_BYTES),
        false => buffer.clear(),
    }
}

/// What this node says about itself, as frames, each time it changes.
pub(crate) struct News {
    pub(crate) hello: watch::Receiver<Bytes>,
}

impl News {
    async fn next(&mut self) -> Option<Frame> {
        match self.hello.changed().await {
            Ok(()) => Some(hello_frame(self.hello.borrow_and_update().clone())),
            Err(_) => std::future::pending().await,
        }
    }
}

/// A handshake frame.
pub(crate) const fn hello_frame(payload: Bytes) -> Frame {
    Frame { kind: Kind::Hello, correlation: 0, method: 0, payload }
}

/// The reading half with what was read and not yet used.
pub(crate) struct Incoming {
    half: OwnedReadHalf,
    buffer: BytesMut,
    silence: Option<Duration>,
}

impl Incoming {
    pub(crate) fn new(half: OwnedReadHalf) -> Self {
        Self { half, buffer: BytesMut::with_capacity(READ_BYTES), silence: None }
    }

    /// From now on, a pause longer than this ends the link.
    pub(crate) const fn limit_silence(mut self, silence: Duration) -> Self {
        self.silence = Some(silence);
        self
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Result<Frame, Close> {
        loop {
            if let Some(frame) = Frame::decode(&mut self.buffer).map_err(|error| garbage(&error))? {
                return Ok(frame);
            }
            self.fill().await?;
        }
    }

    /// The next frame, if it is a small one: what a peer may send before it is known.
    pub(crate) async fn next_small(&mut self, bytes_max: usize) -> Result<Frame, Close> {
        while self.buffer.len() <= bytes_max {
            if let Some(frame) = Frame::decode(&mut self.buffer).map_err(|error| garbage(&error))? {
                return Ok(frame);
            }
            self.fill().await?;
        }
        Err(Close::Lost(DownCause::Reset))
    }

    async fn fill(&mut self) -> Result<(), Close> {
        if self.buffer.capacity() - self.buffer.len() < READ_ROOM {
            self.buffer.reserve(READ_BYTES);
        }
        let read = self.half.read_buf(&mut self.buffer);
        let read = match self.silence {
            Some(silence) => {
                tokio::time::timeout(silence, read).await.map_err(|_| Close::Lost(DownCause::Silent))?
            }
            None => read.await,
        };
        match read {
            Ok(0) => Err(Close::Lost(DownCause::Closed)),
            Ok(_) => Ok(()),
            Err(_) => Err(Close::Lost(DownCause::Reset)),
        }
    }
}

fn garbage(error: &muster_wire::frame::FrameError) -> Close {
    tracing::warn!(%error, "a link is closed because of what came over it");
    Close::Lost(DownCause::Reset)
}
