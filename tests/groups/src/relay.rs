//! A longer way to a node: everything that goes through it arrives later.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use muster_runtime::{TaskKind, TaskScope};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

const RELAY: TaskKind = TaskKind::new("relay");
/// Pieces on their way in one direction of one connection; a sender waits when there are more.
const ON_THE_WAY: usize = 1024;
const PIECE_BYTES: usize = 64 * 1024;

/// Passes each connection on to `to`, both directions this much later, until the scope stops.
pub(crate) fn start(scope: &TaskScope, listener: TcpListener, (to, later): (String, Duration)) {
    let owner = scope.clone();
    scope.spawn_until_stop(RELAY, async move {
        while let Ok((near, _)) = listener.accept().await {
            if let Ok(far) = TcpStream::connect(&to).await {
                pass_both(&owner, (near, far), later);
            }
        }
    });
}

fn pass_both(scope: &TaskScope, (near, far): (TcpStream, TcpStream), later: Duration) {
    drop((near.set_nodelay(true), far.set_nodelay(true)));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    pass(scope, (near_in, far_out), later);
    pass(scope, (far_in, near_out), later);
}

fn pass(scope: &TaskScope, (from, to): (OwnedReadHalf, OwnedWriteHalf), later: Duration) {
    let (way, pieces) = mpsc::channel(ON_THE_WAY);
    scope.spawn_until_stop(RELAY, take(from, way, later));
    scope.spawn_until_stop(RELAY, give(pieces, to));
}

async fn take(mut from: OwnedReadHalf, way: mpsc::Sender<(Instant, Bytes)>, later: Duration) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE_BYTES);
        let Ok(1..) = from.read_buf(&mut buffer).await else { return };
        if way.send((Instant::now() + later, buffer.split().freeze())).await.is_err() {
            return;
        }
    }
}

async fn give(mut pieces: mpsc::Receiver<(Instant, Bytes)>, mut to: OwnedWriteHalf) {
    while let Some((at, piece)) = pieces.recv().await {
        tokio::time::sleep_until(at).await;
        if to.write_all(&piece).await.is_err() {
            return;
        }
    }
}
