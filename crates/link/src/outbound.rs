//! Calls: find or dial the link of an address, use it, notice its end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metrics::{Counter, Histogram};
use muster_runtime::{Meter, TaskKind};
use muster_wire::NodeId;
use muster_wire::rpc::Call;
use tokio::sync::watch;

use crate::connection::{CallFault, Connection};
use crate::dial::{self, Dialled};
use crate::error::CallError;
use crate::event::LinkEvent;
use crate::links::{Inner, WRITER};
use crate::peers::{DialOutcome, DialWatch, Found, Peer};
use crate::pipe::{Close, Pipe};

static CALLS: Meter<Counter, 2> = Meter::counters("muster_rpc_calls_total", ["method", "outcome"]);
static CALL_SECONDS: Meter<Histogram, 1> = Meter::histograms("muster_rpc_call_seconds", ["method"]);

const READER: TaskKind = TaskKind::new("link_reader");
const DIAL: TaskKind = TaskKind::new("link_dial");

/// A link may end between being found and being used: then nothing was sent and one more link is tried.
const LINKS_TRIED_MAX: usize = 2;

/// An encoded request.
pub(crate) struct Request {
    pub(crate) method: u32,
    pub(crate) payload: Bytes,
    pub(crate) within: Duration,
}

impl Inner {
    /// Calls with a typed request, counted by its name.
    pub(crate) async fn call_typed<C: Call>(
        self: &Arc<Self>,
        (to, node): (&str, Option<NodeId>),
        call: &C,
        within: Duration,
    ) -> Result<C::Reply, CallError> {
        let began = self.clock.now();
        let payload = Bytes::from(muster_wire::encode(call).map_err(|_| CallError::TooLarge)?);
        let request = Request { method: C::METHOD, payload, within };
        let answer = self.call_within((to, node), request).await;
        let reply = answer.and_then(|bytes| muster_wire::decode(&bytes).map_err(CallError::Codec));
        let outcome = reply.as_ref().err().map_or("ok", CallError::word);
        CALLS.count([C::NAME, outcome]);
        let took = self.clock.now().saturating_duration_since(began);
        CALL_SECONDS.record([C::NAME], took.as_secs_f64());
        reply
    }

    /// Calls with an encoded request.
    pub(crate) async fn call_within(
        self: &Arc<Self>,
        to: (&str, Option<NodeId>),
        request: Request,
    ) -> Result<Bytes, CallError> {
        let calling = self.call_one_of(to, &request);
        tokio::time::timeout(request.within, calling).await.unwrap_or(Err(CallError::Timeout))
    }

    async fn call_one_of(
        self: &Arc<Self>,
        (to, node): (&str, Option<NodeId>),
        request: &Request,
    ) -> Result<Bytes, CallError> {
        for _ in 0..LINKS_TRIED_MAX {
            let connection = self.connection(to).await?;
            check_node(&connection, node)?;
            match connection.call(request.method, request.payload.clone()).await {
                Ok(reply) => return Ok(reply),
                Err(CallFault::Final(error)) => return Err(error),
                Err(CallFault::Stale) => {}
            }
        }
        Err(CallError::Unreachable("the link ends as soon as it is up".into()))
    }

    /// The link of an address; dials if there is none, but not right after a failed dial.
    pub(crate) async fn connection(self: &Arc<Self>, addr: &str) -> DialOutcome {
        let peer = self.peers().slot(addr)?;
        self.connection_of(&peer, self.config.redial_pause).await
    }

    /// The link of a slot; a dial that failed longer than `pause` ago is tried again.
    pub(crate) async fn connection_of(self: &Arc<Self>, peer: &Arc<Peer>, pause: Duration) -> DialOutcome {
        match peer.find(self.clock.now(), pause) {
            Found::Up(connection) => Ok(connection),
            Found::Failed(error) => Err(error),
            Found::Dialing(watch) => outcome_of(watch).await,
            Found::Yours(sender, watch) => {
                self.begin_dial(peer, sender);
                outcome_of(watch).await
            }
        }
    }

    fn begin_dial(self: &Arc<Self>, peer: &Arc<Peer>, sender: watch::Sender<Option<DialOutcome>>) {
        let (inner, peer) = (self.clone(), peer.clone());
        self.scope.spawn_until_stop(DIAL, async move {
            let outcome = inner.dial(&peer).await;
            sender.send_replace(Some(outcome));
        });
    }

    async fn dial(self: &Arc<Self>, peer: &Arc<Peer>) -> DialOutcome {
        let dialled = dial::dial(self, &peer.addr).await;
        if matches!(dialled, Err(CallError::Refused)) {
            self.tell("refused", LinkEvent::Refused { addr: peer.addr.clone(), peer: peer.known() });
        }
        match dialled {
            Ok(dialled) => Ok(self.establish(peer, dialled)),
            Err(error) => {
                peer.settle(&Err(error.clone()), self.clock.now());
                Err(error)
            }
        }
    }

    /// The link is told to be up before its tasks start, so that its end is told later.
    fn establish(self: &Arc<Self>, peer: &Arc<Peer>, dialled: Dialled) -> Arc<Connection> {
        let Dialled { incoming, half, peer: hello, news } = dialled;
        let (pipe, outgoing) = Pipe::new(self.pipe_bounds(), &self.scope.stop_token());
        let in_flight_max = self.config.in_flight_per_peer;
        let connection = Arc::new(Connection::new(peer.addr.clone(), hello.clone(), pipe, in_flight_max));
        peer.settle(&Ok(connection.clone()), self.clock.now());
        self.note_up(&peer.addr, hello);
        self.scope.spawn(WRITER, |_| outgoing.run(half, news));
        let (inner, reading) = (self.clone(), connection.clone());
        self.scope.spawn(READER, |_| async move {
            reading.pipe().read(incoming, |frame| reading.on_frame(&inner, frame)).await;
            inner.finish(&reading);
        });
        connection
    }

    /// Fails the calls under way and tells the loss.
    fn finish(&self, connection: &Connection) {
        if let Some(Close::Lost(cause)) = connection.pipe().cause() {
            let (addr, peer) = (connection.addr.clone(), connection.peer());
            self.tell(cause.word(), LinkEvent::Down { addr, peer, cause });
        }
        connection.fail_calls();
        connection.ended.cancel();
    }
}

async fn outcome_of(mut watch: DialWatch) -> DialOutcome {
    let outcome = watch.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
    outcome.ok().flatten().unwrap_or(Err(CallError::Stopping))
}

fn check_node(connection: &Connection, node: Option<NodeId>) -> Result<(), CallError> {
    match node.is_none_or(|node| connection.peer().node == node) {
        true => Ok(()),
        false => Err(CallError::NotThatNode),
    }
}
