//! One dial: resolve, connect, handshake.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use muster_runtime::net::TcpStream;
use muster_runtime::net::tcp::OwnedWriteHalf;
use muster_wire::hello::Hello;

use crate::error::CallError;
use crate::handshake::{self, HandshakeFault};
use crate::links::Inner;
use crate::pipe::{Incoming, News};

/// A process that ends may still take a connection: dialled again this often before the peer is called unreachable.
const HANG_UPS_MAX: u32 = 8;
/// Between these dials.
const HANG_UP_PAUSE: Duration = Duration::from_millis(2);

/// A socket after its handshake.
pub(crate) struct Dialled {
    pub(crate) incoming: Incoming,
    pub(crate) half: OwnedWriteHalf,
    pub(crate) peer: Arc<Hello>,
    pub(crate) news: News,
}

enum DialFault {
    HungUp,
    Final(CallError),
}

/// Dials an address, again for a few times while the other side hangs up.
pub(crate) async fn dial(inner: &Inner, addr: &str) -> Result<Dialled, CallError> {
    for _ in 0..HANG_UPS_MAX {
        match dial_once(inner, addr).await {
            Ok(dialled) => return Ok(dialled),
            Err(DialFault::Final(error)) => return Err(error),
            Err(DialFault::HungUp) => tokio::time::sleep(HANG_UP_PAUSE).await,
        }
    }
    Err(CallError::Unreachable("the link was closed during the handshake".into()))
}

async fn dial_once(inner: &Inner, addr: &str) -> Result<Dialled, DialFault> {
    let config = &inner.config;
    let stream = within(config.connect_timeout, connect(addr)).await?;
    stream.set_nodelay(true).map_err(|error| DialFault::Final(unreachable(&error)))?;
    let (half_in, mut half) = stream.into_split();
    let (mut incoming, news) = (Incoming::new(half_in), inner.news_for_listeners());
    let greeting = async { handshake::greet(inner, &mut incoming, &mut half).await.map_err(from_handshake) };
    let peer = Arc::new(within(config.handshake_timeout, greeting).await?);
    Ok(Dialled { incoming, half, peer, news })
}

async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, DialFault>>,
) -> Result<T, DialFault> {
    let late = || DialFault::Final(CallError::Unreachable("no answer in time".into()));
    tokio::time::timeout(limit, step).await.unwrap_or_else(|_| Err(late()))
}

/// Tries every address that the name stands for. `Refused` only if all of them refuse.
async fn connect(addr: &str) -> Result<TcpStream, DialFault> {
    let found = muster_runtime::net::lookup_host(addr)
        .await
        .map_err(|error| DialFault::Final(unreachable(&error)))?;
    let mut worst = CallError::Unreachable("the name stands for no address".into());
    for (at, socket) in found.enumerate() {
        match TcpStream::connect(socket).await {
            Ok(stream) => return Ok(stream),
            Err(error) => worst = worse(at, worst, from_connect(&error)),
        }
    }
    Err(DialFault::Final(worst))
}

fn worse(at: usize, so_far: CallError, next: CallError) -> CallError {
    match (at, &so_far) {
        (0, _) | (_, CallError::Refused) => next,
        _ => so_far,
    }
}

fn from_connect(error: &std::io::Error) -> CallError {
    match error.kind() {
        ErrorKind::ConnectionRefused => CallError::Refused,
        _ => unreachable(error),
    }
}

fn unreachable(error: &std::io::Error) -> CallError {
    CallError::Unreachable(error.to_string())
}

fn from_handshake(fault: HandshakeFault) -> DialFault {
    match fault {
        HandshakeFault::HungUp => DialFault::HungUp,
        HandshakeFault::Foreign => {
            DialFault::Final(CallError::Unreachable("not a muster node answers there".into()))
        }
        HandshakeFault::Refused(refusal) => DialFault::Final(CallError::Handshake(refusal)),
    }
}
