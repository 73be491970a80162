//! Links that peers dialled: handshake, then their requests.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use muster_runtime::TaskKind;
use muster_runtime::net::tcp::OwnedWriteHalf;
use muster_runtime::net::{TcpListener, TcpStream};
use muster_wire::frame::{Frame, Kind};
use muster_wire::hello::{Hello, Welcome};

use crate::event::DownCause;
use crate::handshake;
use crate::links::{Inner, WRITER};
use crate::pipe::{Close, Incoming, News, Pipe, hello_frame};
use crate::serve;

const LISTENER: TaskKind = TaskKind::vital("link_listener");
const INBOUND: TaskKind = TaskKind::new("link_inbound");
/// Rest after an accept error (such as: no file descriptors left).
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// A link that a peer dialled, after its handshake.
pub(crate) struct Inbound {
    pub(crate) pipe: Arc<Pipe>,
    peer: RwLock<Arc<Hello>>,
}

/// Accepts links until the scope stops.
pub(crate) fn start(inner: &Arc<Inner>, listener: TcpListener) {
    let accepting = accept_all(inner.clone(), listener);
    inner.scope.spawn_until_stop(LISTENER, accepting);
}

async fn accept_all(inner: Arc<Inner>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => take_in(&inner, stream),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a link");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
}

/// Serves the link in a task of its own; over the bound, it is closed at once.
fn take_in(inner: &Arc<Inner>, stream: TcpStream) {
    let Ok(place) = inner.inbound.clone().try_acquire_owned() else {
        metrics::counter!("muster_link_inbound_refused_total").increment(1);
        return;
    };
    let owner = inner.clone();
    inner.scope.spawn_until_stop(INBOUND, async move {
        attend(&owner, stream).await;
        drop(place);
    });
}

async fn attend(inner: &Arc<Inner>, stream: TcpStream) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (half_in, mut half) = stream.into_split();
    let (mut incoming, news) = (Incoming::new(half_in), inner.news_for_diallers());
    let greeting = handshake::welcome(inner, &mut incoming, &mut half);
    match tokio::time::timeout(inner.config.handshake_timeout, greeting).await {
        Ok(Ok(hello)) => serve_link(inner, hello, (incoming, half, news)).await,
        Ok(Err(fault)) => tracing::debug!(?fault, "no handshake with a peer that dialled"),
        Err(_) => tracing::debug!("a peer that dialled said no hello in time"),
    }
}

async fn serve_link(
    inner: &Arc<Inner>,
    hello: Hello,
    (incoming, half, news): (Incoming, OwnedWriteHalf, News),
) {
    let (pipe, outgoing) = Pipe::new(inner.pipe_bounds(), &inner.scope.stop_token());
    let link = Arc::new(Inbound { pipe, peer: RwLock::new(Arc::new(hello)) });
    inner.book.note(&link.peer(), "");
    inner.scope.spawn(WRITER, |_| outgoing.run(half, news));
    let incoming = incoming.limit_silence(inner.config.inbound_silence);
    link.pipe.read(incoming, |frame| link.on_frame(inner, frame)).await;
    link.pipe.close(Close::Here);
}

impl Inbound {
    pub(crate) fn peer(&self) -> Arc<Hello> {
        self.peer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn on_frame(self: &Arc<Self>, inner: &Arc<Inner>, frame: Frame) -> Result<(), Close> {
        match frame.kind {
            Kind::Request => serve::begin(inner, self, frame),
            Kind::Hello => self.on_news(inner, &frame),
            Kind::Reply | Kind::Error => Err(Close::Lost(DownCause::Reset)),
        }
    }

    /// The peer tells something new about itself.
    fn on_news(&self, inner: &Inner, frame: &Frame) -> Result<(), Close> {
        let theirs = handshake::read_hello(frame).map_err(|_| Close::Lost(DownCause::Reset))?;
        if let Err(refusal) = inner.check(&theirs) {
            let answer = hello_frame(handshake::encode(&Welcome::Refused(refusal)));
            return self.pipe.try_send(answer).map_err(|_| Close::Here);
        }
        inner.book.note(&theirs, "");
        *self.peer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(theirs);
        Ok(())
    }
}
