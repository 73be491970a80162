//! The task that reads the socket and wakes the core.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use muster_runtime::net::UdpSocket;

use muster_runtime::{CancellationToken, TaskKind, TaskScope};

use crate::core::{Input, Target};
use crate::engine::Arrival;
use crate::frame::PACKET_BYTES_MAX;
use crate::swim::Shared;

const DRIVER: TaskKind = TaskKind::vital("swim");

/// Packets handled between two looks at the timers. What has arrived is read first: after a stall the answers are in
/// the socket's queue, and judging before reading them would suspect nodes for our own lateness.
const BATCH_MAX: usize = 64;

/// Rest after a socket error, so that a broken socket does not keep a core busy.
const ERROR_PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn start(shared: &Arc<Shared>, scope: &TaskScope) {
    let shared = shared.clone();
    scope.spawn(DRIVER, |stop| async move {
        run(&shared, &stop).await;
        shared.stop();
    });
}

/// Counts a packet that was not used or not sent.
pub(crate) fn count_dropped(why: &'static str) {
    metrics::counter!("muster_swim_packets_dropped_total", "reason" => why).increment(1);
}

async fn run(shared: &Shared, stop: &CancellationToken) {
    let Some(socket) = shared.socket() else { return };
    let mut buffer = vec![0; PACKET_BYTES_MAX + 1];
    while !stop.is_cancelled() {
        let inputs = gather(shared, &socket, (stop, &mut buffer)).await;
        shared.feed(inputs);
    }
}

/// Waits for packets, the next deadline or a change from outside.
async fn gather(
    shared: &Shared,
    socket: &UdpSocket,
    (stop, buffer): (&CancellationToken, &mut [u8]),
) -> Vec<Arrival> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Vec::new(),
        () = shared.poked.notified() => Vec::new(),
        received = socket.recv_from(buffer) => match received {
            Ok((length, from)) => batch(socket, buffer, (length, from)),
            Err(error) => after_error(&error).await,
        },
        () = tokio::time::sleep_until(shared.deadline()) => vec![Arrival::Input(Input::Timer)],
    }
}

fn batch(socket: &UdpSocket, buffer: &mut [u8], first: (usize, SocketAddr)) -> Vec<Arrival> {
    let mut inputs = vec![packet(buffer, first)];
    while inputs.len() < BATCH_MAX {
        let Ok(next) = socket.try_recv_from(buffer) else { break };
        inputs.push(packet(buffer, next));
    }
    inputs.push(Arrival::Input(Input::Timer));
    inputs
}

fn packet(buffer: &[u8], (length, from): (usize, SocketAddr)) -> Arrival {
    let bytes = buffer.get(..length).unwrap_or_default().to_vec();
    Arrival::Packet { at: from, from: Target::Address(from), bytes }
}

async fn after_error(error: &std::io::Error) -> Vec<Arrival> {
    tracing::debug!(%error, "the membership socket failed to read");
    count_dropped("receive_error");
    tokio::time::sleep(ERROR_PAUSE).await;
    vec![Arrival::Input(Input::Timer)]
}
