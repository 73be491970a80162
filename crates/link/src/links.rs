//! The handle, and what all links of a node share.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use muster_runtime::net::TcpListener;
use muster_runtime::{Clock, TaskKind, TaskScope};
use muster_wire::hello::{Hello, HelloRefusal, Welcome};
use muster_wire::rpc::Call;
use muster_wire::{Generation, NodeId, NodeRef};
use tokio::sync::{Semaphore, broadcast, watch};

use crate::book::Book;
use crate::config::LinkConfig;
use crate::error::CallError;
use crate::event::LinkEvent;
use crate::gatekeeper::{Gatekeeper, Open, check_installation};
use crate::outbound::Request;
use crate::peers::{self, IDLE_LOOKS, Peers};
use crate::pipe::{News, PipeBounds};
use crate::serve::Places;
use crate::service::Service;
use crate::{accept, handshake, keep};

pub(crate) const WRITER: TaskKind = TaskKind::new("link_writer");
const JANITOR: TaskKind = TaskKind::new("link_janitor");

/// What links need of their node.
pub struct LinkParts {
    /// Where peers dial this node.
    pub listener: TcpListener,
    /// What this node says about itself.
    pub hello: Hello,
    /// Owns every task of the links.
    pub scope: TaskScope,
    /// The node's clock.
    pub clock: Clock,
}

/// All links of a node. Cheap to clone: clones are the same links. They end with their scope.
#[derive(Clone)]
pub struct Links {
    pub(crate) inner: Arc<Inner>,
}

impl Links {
    /// Accepts at once; calls are answered `Busy` until [`Links::serve`] is called.
    pub fn start(config: LinkConfig, parts: LinkParts) -> Self {
        let LinkParts { listener, hello, scope, clock } = parts;
        let inner = Arc::new(Inner::new(config, (hello, listener.local_addr().ok()), scope, clock));
        accept::start(&inner, listener);
        start_janitor(&inner);
        Self { inner }
    }

    /// Sets what answers calls.
    pub fn serve(&self, service: Arc<dyn Service>) {
        *self.inner.service.write().unwrap_or_else(PoisonError::into_inner) = Some(service);
    }

    /// Sets who judges peers. Open links are judged again when their peer tells something new about itself.
    pub fn guard(&self, gatekeeper: Arc<dyn Gatekeeper>) {
        *self.inner.gatekeeper.write().unwrap_or_else(PoisonError::into_inner) = gatekeeper;
    }

    /// Changes what this node says about itself, at later handshakes and over the links that are open.
    pub fn update_hello(&self, change: impl FnOnce(&mut Hello)) {
        self.inner.identity.send_modify(|identity| identity.change(change));
        let identity = self.inner.identity.borrow().clone();
        self.inner.hello_news.send_replace(identity.hello_bytes);
        self.inner.welcome_news.send_replace(identity.welcome_bytes);
    }

    /// What this node says about itself.
    pub fn hello(&self) -> Arc<Hello> {
        self.inner.hello()
    }

    /// The bound address; `None` if the system did not tell.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.inner.local_addr
    }

    /// Calls the node at `to` (`host:port`).
    pub async fn call<C: Call>(&self, to: &str, call: &C, within: Duration) -> Result<C::Reply, CallError> {
        self.inner.call_typed((to, None), call, within).await
    }

    /// Calls the node at `to` with an encoded request; gives the encoded reply.
    #[allow(clippy::too_many_arguments, reason = "self is not one of the four")]
    pub async fn call_raw(
        &self,
        to: &str,
        method: u32,
        payload: Bytes,
        within: Duration,
    ) -> Result<Bytes, CallError> {
        self.inner.call_within((to, None), Request { method, payload, within }).await
    }

    /// Calls a node at its address, and only if the node that answers there has its id.
    pub async fn call_node<C: Call>(
        &self,
        to: &NodeRef,
        call: &C,
        within: Duration,
    ) -> Result<C::Reply, CallError> {
        self.inner.call_typed((&to.addr, Some(to.id)), call, within).await
    }

    /// Like [`Links::call_node`], over a second link to that address: for what is large and would hold up other calls.
    pub async fn call_node_aside<C: Call>(
        &self,
        to: &NodeRef,
        call: &C,
        within: Duration,
    ) -> Result<C::Reply, CallError> {
        self.inner.call_typed((&peers::aside(&to.addr), Some(to.id)), call, within).await
    }

    /// Who answers at `to`: an open link tells, else one is dialled.
    pub async fn identify(&self, to: &str, within: Duration) -> Result<Arc<Hello>, CallError> {
        let found = tokio::time::timeout(within, self.inner.connection(to)).await;
        found.unwrap_or(Err(CallError::Timeout)).map(|connection| connection.peer())
    }

    /// Keeps a link to `addr` up: dialled at once and again for ever, watched, its loss told by events.
    pub fn keep(&self, addr: &str) {
        match self.inner.peers.slot(addr) {
            Ok(peer) => keep::keep(&self.inner, &peer),
            Err(error) => tracing::error!(addr, %error, "cannot keep a link: too many addresses are known"),
        }
    }

    /// Lets the link to `addr` close when it is not used.
    pub fn unkeep(&self, addr: &str) {
        if let Some(peer) = self.inner.peers.get(addr) {
            peer.unkeep();
        }
    }

    /// What happens to links that this node dialled, from now on. A subscriber that lags misses the oldest.
    pub fn events(&self) -> broadcast::Receiver<LinkEvent> {
        self.inner.events.subscribe()
    }

    /// Who answers at `addr`, or who did last.
    pub fn peer(&self, addr: &str) -> Option<Arc<Hello>> {
        self.inner.peers.get(addr)?.known()
    }

    /// Is the link to `addr` open?
    pub fn is_open(&self, addr: &str) -> bool {
        self.inner.peers.get(addr).is_some_and(|peer| peer.is_open())
    }

    /// Who answers on the links that this node dialled, and how many frames have come over each: a number that has
    /// risen is a round trip since the last look.
    pub fn heard(&self) -> Vec<(Arc<Hello>, u64)> {
        self.inner.peers.heard()
    }

    /// Address and generation of a node's newest handshake, in either direction.
    pub fn addr_of(&self, node: NodeId) -> Option<(String, Generation)> {
        self.inner.book.find(node)
    }
}

/// What this node says about itself, and the bytes of it.
#[derive(Clone)]
struct Identity {
    hello: Arc<Hello>,
    hello_bytes: Bytes,
    welcome_bytes: Bytes,
}

impl Identity {
    fn new(hello: Hello) -> Self {
        let hello_bytes = handshake::encode(&hello);
        let welcome_bytes = handshake::encode(&Welcome::Accepted(Box::new(hello.clone())));
        Self { hello: Arc::new(hello), hello_bytes, welcome_bytes }
    }

    fn change(&mut self, change: impl FnOnce(&mut Hello)) {
        let mut hello = Hello::clone(&self.hello);
        change(&mut hello);
        *self = Self::new(hello);
    }
}

/// What all links of a node share.
pub(crate) struct Inner {
    pub(crate) config: LinkConfig,
    pub(crate) scope: TaskScope,
    pub(crate) clock: Clock,
    pub(crate) book: Book,
    pub(crate) places: Places,
    pub(crate) inbound: Arc<Semaphore>,
    peers: Peers,
    events: broadcast::Sender<LinkEvent>,
    identity: watch::Sender<Identity>,
    hello_news: watch::Sender<Bytes>,
    welcome_news: watch::Sender<Bytes>,
    gatekeeper: RwLock<Arc<dyn Gatekeeper>>,
    service: RwLock<Option<Arc<dyn Service>>>,
    local_addr: Option<SocketAddr>,
}

impl Inner {
    fn new(
        config: LinkConfig,
        (hello, local_addr): (Hello, Option<SocketAddr>),
        scope: TaskScope,
        clock: Clock,
    ) -> Self {
        let identity = Identity::new(hello);
        Self {
            scope,
            clock,
            book: Book::new(config.known_max),
            places: Places::new(config.served_in_flight),
            inbound: Arc::new(Semaphore::new(config.inbound_max)),
            peers: Peers::new(config.peers_max),
            events: broadcast::Sender::new(config.events_max),
            hello_news: watch::Sender::new(identity.hello_bytes.clone()),
            welcome_news: watch::Sender::new(identity.welcome_bytes.clone()),
            identity: watch::Sender::new(identity),
            gatekeeper: RwLock::new(Arc::new(Open)),
            service: RwLock::new(None),
            local_addr,
            config,
        }
    }

    fn hello(&self) -> Arc<Hello> {
        self.identity.borrow().hello.clone()
    }

    pub(crate) fn hello_bytes(&self) -> Bytes {
        self.identity.borrow().hello_bytes.clone()
    }

    pub(crate) fn welcome_bytes(&self) -> Bytes {
        self.identity.borrow().welcome_bytes.clone()
    }

    pub(crate) const fn peers(&self) -> &Peers {
        &self.peers
    }

    /// What the writer of a link that this node dialled tells the peer later on.
    pub(crate) fn news_for_listeners(&self) -> News {
        News { hello: self.hello_news.subscribe() }
    }

    /// What the writer of a link that a peer dialled tells it later on.
    pub(crate) fn news_for_diallers(&self) -> News {
        News { hello: self.welcome_news.subscribe() }
    }

    pub(crate) fn service(&self) -> Option<Arc<dyn Service>> {
        self.service.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// May this peer be talked to?
    pub(crate) fn check(&self, theirs: &Hello) -> Result<(), HelloRefusal> {
        check_installation(&self.hello(), theirs)?;
        let gatekeeper = self.gatekeeper.read().unwrap_or_else(PoisonError::into_inner).clone();
        gatekeeper.check(theirs)
    }

    pub(crate) const fn pipe_bounds(&self) -> PipeBounds {
        PipeBounds {
            frames: self.config.in_flight_per_peer * 2 + 16,
            bytes: self.config.queue_bytes_max,
            write_timeout: self.config.write_timeout,
        }
    }

    /// A link came up or its peer told something new.
    pub(crate) fn note_up(&self, addr: &str, peer: Arc<Hello>) {
        self.book.note(&peer, addr);
        self.tell("up", LinkEvent::Up { addr: addr.to_owned(), peer });
    }

    pub(crate) fn tell(&self, kind: &'static str, event: LinkEvent) {
        metrics::counter!("muster_link_events_total", "event" => kind).increment(1);
        let _ = self.events.send(event);
    }
}

fn start_janitor(inner: &Arc<Inner>) {
    let owner = inner.clone();
    inner.scope.spawn_until_stop(JANITOR, async move {
        loop {
            tokio::time::sleep(owner.config.idle_close / IDLE_LOOKS).await;
            owner.peers.sweep();
        }
    });
}
