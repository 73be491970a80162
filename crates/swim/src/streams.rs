//! The reliable way: one question and its answers over TCP, for members that cannot be reached by datagrams, and to
//! learn that nobody listens there.
//!
//! A stream carries packets as `[length 2][packet]`: one from the side that dials, then the answers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use muster_runtime::net::{TcpListener, TcpStream};
use muster_runtime::{CancellationToken, TaskKind, TaskScope};
use muster_wire::NodeId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use crate::core::{Input, Target};
use crate::driver::count_dropped;
use crate::engine::Arrival;
use crate::frame::PACKET_BYTES_MAX;
use crate::model::Evidence;
use crate::swim::Shared;

const ACCEPT: TaskKind = TaskKind::vital("swim_accept");
const STREAM: TaskKind = TaskKind::new("swim_stream");

/// Streams served at the same time; more wait in the system's backlog.
const SERVED_MAX: usize = 64;
/// Streams dialled at the same time; more are left out, as the network may do anyway.
pub(crate) const DIALLED_MAX: usize = 64;
/// Longest life of a stream on either side.
const STREAM_TIMEOUT: Duration = Duration::from_secs(3);
/// Rest after a failed accept.
const ERROR_PAUSE: Duration = Duration::from_millis(20);
/// Answers read from one stream.
const ANSWERS_MAX: usize = 4;

/// A question to be asked over TCP.
pub(crate) struct Dial {
    pub(crate) name: String,
    pub(crate) to: NodeId,
    pub(crate) bytes: Vec<u8>,
}

/// Serves streams until the scope stops.
pub(crate) fn start(shared: &Arc<Shared>, scope: &TaskScope, listener: TcpListener) {
    let (shared, tasks) = (shared.clone(), scope.clone());
    scope.spawn(ACCEPT, |stop| async move {
        let served = Arc::new(Semaphore::new(SERVED_MAX));
        while let Some((stream, at)) = accept(&listener, &stop).await {
            let Ok(permit) = served.clone().acquire_owned().await else { return };
            let shared = shared.clone();
            tasks.spawn_until_stop(STREAM, async move {
                let within = tokio::time::timeout(STREAM_TIMEOUT, serve(&shared, (stream, at)));
                note("served_stream", within.await.unwrap_or(Ok(())));
                drop(permit);
            });
        }
    });
}

async fn accept(listener: &TcpListener, stop: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => return Some(accepted),
                Err(_) => tokio::time::sleep(ERROR_PAUSE).await,
            },
        }
    }
}

async fn serve(shared: &Shared, (mut stream, at): (TcpStream, SocketAddr)) -> io::Result<()> {
    let bytes = read_packet(&mut stream).await?;
    let token = shared.next_stream();
    let from = Target::Stream(token);
    for (_, answer) in shared.feed([Arrival::Packet { at, from, bytes }]) {
        write_packet(&mut stream, &answer).await?;
    }
    stream.shutdown().await
}

/// Asks in a task of its own.
pub(crate) fn dial(shared: &Arc<Shared>, scope: &TaskScope, dial: Dial) {
    let Ok(permit) = shared.dials.clone().try_acquire_owned() else {
        return count_dropped("dials_full");
    };
    let shared = shared.clone();
    scope.spawn_until_stop(STREAM, async move {
        let within = tokio::time::timeout(STREAM_TIMEOUT, ask(&shared, dial));
        note("dialled_stream", within.await.unwrap_or(Ok(())));
        drop(permit);
    });
}

async fn ask(shared: &Shared, dial: Dial) -> io::Result<()> {
    let Some(at) = shared.resolve(&dial.name).await else { return Ok(()) };
    let mut stream = match TcpStream::connect(at).await {
        Ok(stream) => stream,
        Err(error) => return note_refusal(shared, dial.to, error),
    };
    write_packet(&mut stream, &dial.bytes).await?;
    for _ in 0..ANSWERS_MAX {
        let bytes = read_packet(&mut stream).await?;
        let from = Target::Stream(shared.next_stream());
        shared.feed([Arrival::Packet { at, from, bytes }]);
    }
    Ok(())
}

/// Nobody listens there: the process is gone.
fn note_refusal(shared: &Shared, to: NodeId, error: io::Error) -> io::Result<()> {
    if error.kind() != io::ErrorKind::ConnectionRefused {
        return Err(error);
    }
    shared.drive(Arrival::Input(Input::Evidence(to, Evidence::Refused)));
    Ok(())
}

/// A stream that ends is no fault: the answers are over.
fn note(what: &'static str, result: io::Result<()>) {
    match result {
        Ok(()) => (),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => (),
        Err(error) => {
            tracing::debug!(%error, what, "a membership stream failed");
            count_dropped(what);
        }
    }
}

async fn read_packet(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > PACKET_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn write_packet(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(bytes);
    stream.write_all(&framed).await
}
