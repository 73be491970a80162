//! Who is there: the first frame in each direction.

use bytes::{Bytes, BytesMut};
use muster_runtime::net::tcp::OwnedWriteHalf;
use muster_wire::frame::{Frame, Kind};
use muster_wire::hello::{Hello, HelloRefusal, Welcome};
use tokio::io::AsyncWriteExt as _;

use crate::links::Inner;
use crate::pipe::{Incoming, hello_frame};

/// The largest handshake frame: a peer is not known before it.
const HANDSHAKE_BYTES_MAX: usize = 64 * 1024;

/// Why there was no handshake.
#[derive(Debug)]
pub(crate) enum HandshakeFault {
    /// The other side went away.
    HungUp,
    /// Not a muster node, or one that cannot be understood.
    Foreign,
    /// One side refused the other.
    Refused(HelloRefusal),
}

/// The dialling side: says hello and waits for the welcome.
pub(crate) async fn greet(
    inner: &Inner,
    incoming: &mut Incoming,
    half: &mut OwnedWriteHalf,
) -> Result<Hello, HandshakeFault> {
    send(half, inner.hello_bytes()).await?;
    let theirs = read_welcome(&receive(incoming).await?)?;
    inner.check(&theirs).map_err(HandshakeFault::Refused)?;
    Ok(theirs)
}

/// The listening side: judges the hello and answers it.
pub(crate) async fn welcome(
    inner: &Inner,
    incoming: &mut Incoming,
    half: &mut OwnedWriteHalf,
) -> Result<Hello, HandshakeFault> {
    let theirs = read_hello(&receive(incoming).await?)?;
    let verdict = inner.check(&theirs);
    let answer = match &verdict {
        Ok(()) => inner.welcome_bytes(),
        Err(refusal) => encode(&Welcome::Refused(refusal.clone())),
    };
    send(half, answer).await?;
    verdict.map(|()| theirs).map_err(HandshakeFault::Refused)
}

/// The `Hello` in a handshake frame.
pub(crate) fn read_hello(frame: &Frame) -> Result<Hello, HandshakeFault> {
    muster_wire::decode(&frame.payload).map_err(|_| HandshakeFault::Foreign)
}

/// The `Hello` in a handshake answer.
pub(crate) fn read_welcome(frame: &Frame) -> Result<Hello, HandshakeFault> {
    match muster_wire::decode(&frame.payload) {
        Ok(Welcome::Accepted(hello)) => Ok(*hello),
        Ok(Welcome::Refused(refusal)) => Err(HandshakeFault::Refused(refusal)),
        Err(_) => Err(HandshakeFault::Foreign),
    }
}

/// A handshake message's bytes; empty, and so refused by the peer, if it cannot be encoded.
pub(crate) fn encode<T: serde::Serialize>(message: &T) -> Bytes {
    muster_wire::encode(message).map(Bytes::from).unwrap_or_default()
}

async fn receive(incoming: &mut Incoming) -> Result<Frame, HandshakeFault> {
    let frame = incoming.next_small(HANDSHAKE_BYTES_MAX).await.map_err(|_| HandshakeFault::HungUp)?;
    match frame.kind {
        Kind::Hello => Ok(frame),
        Kind::Request | Kind::Reply | Kind::Error => Err(HandshakeFault::Foreign),
    }
}

async fn send(half: &mut OwnedWriteHalf, payload: Bytes) -> Result<(), HandshakeFault> {
    let mut buffer = BytesMut::new();
    hello_frame(payload).encode(&mut buffer).map_err(|_| HandshakeFault::Foreign)?;
    half.write_all(&buffer).await.map_err(|_| HandshakeFault::HungUp)
}
