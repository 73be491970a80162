//! The handle: starts the detector, shows its view, tells it things.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::time::Instant;

use muster_runtime::{Clock, TaskScope, random};
use muster_wire::NodeId;

use crate::config::{Config, SwimError};
use crate::core::{Core, Effect, Input};
use crate::driver;
use crate::events::{Events, Published};
use crate::model::{Event, Evidence, LeaveReason, Member, Meta};
use crate::resolve::Outbox;

/// A node's failure detector. Cheap to clone: clones are the same detector. It stops with its scope.
#[derive(Clone)]
pub struct Swim {
    shared: Arc<Shared>,
}

impl Swim {
    /// Binds the socket and starts to join through the seeds. The tasks belong to `scope`.
    pub async fn start(config: Config, scope: TaskScope, clock: Clock) -> Result<Swim, SwimError> {
        let socket = bind(config.listen).await?;
        let local =
            socket.local_addr().map_err(|source| SwimError::Bind { listen: config.listen, source })?;
        let config = Config { meta: with_address(config.meta.clone(), local), ..config };
        if !config.meta.fits() {
            return Err(SwimError::MetaTooLarge);
        }
        let shared = Arc::new(Shared::new(config, Arc::new(socket), (scope.clone(), clock, local)));
        driver::start(&shared, &scope);
        Ok(Swim { shared })
    }

    /// The bound address.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local
    }

    /// The view: this node and every member that is not forgotten, sorted by id.
    pub fn snapshot(&self) -> Arc<Vec<Member>> {
        self.shared.published.snapshot()
    }

    /// One member of the view.
    pub fn member(&self, id: NodeId) -> Option<Member> {
        let members = self.snapshot();
        let at = members.binary_search_by_key(&id, |member| member.id).ok()?;
        members.get(at).cloned()
    }

    /// The view and every change after it, without a gap between them.
    pub fn subscribe(&self) -> (Arc<Vec<Member>>, Events) {
        self.shared.published.subscribe()
    }

    /// Changes what this node tells about itself. A change that makes it too long is refused and logged.
    /// `change` must not call `update_meta`.
    pub fn update_meta(&self, change: impl FnOnce(&mut Meta) + Send + 'static) {
        let mut current = self.shared.meta.lock().unwrap_or_else(PoisonError::into_inner);
        let mut meta = current.clone();
        change(&mut meta);
        if !meta.fits() {
            tracing::warn!("membership metadata is too long, the change is refused");
            return;
        }
        *current = meta.clone();
        self.shared.drive(Input::Meta(Box::new(meta)));
    }

    /// Replaces the seeds.
    pub fn set_seeds(&self, seeds: Vec<String>) {
        self.shared.drive(Input::Seeds(seeds));
    }

    /// Says goodbye and waits until it was told often enough, at most until `deadline` from now. Afterwards the node
    /// no longer probes; stop the scope next.
    pub async fn leave(&self, reason: LeaveReason, deadline: Duration) {
        self.shared.drive(Input::Leave(reason));
        if tokio::time::timeout(deadline, self.shared.until_goodbye_is_spread()).await.is_err() {
            tracing::warn!(?deadline, "the goodbye was not told often enough before its deadline");
        }
    }

    /// Tells what other traffic has shown about a node.
    pub fn report_evidence(&self, id: NodeId, evidence: Evidence) {
        self.shared.drive(Input::Evidence(id, evidence));
    }
}

async fn bind(listen: SocketAddr) -> Result<UdpSocket, SwimError> {
    let bound = async {
        let socket = UdpSocket::bind(listen).await?;
        socket.writable().await?;
        Ok(socket)
    };
    bound.await.map_err(|source| SwimError::Bind { listen, source })
}

/// Fills in an address that was left out, and a port that only the bound socket knows.
fn with_address(mut meta: Meta, local: SocketAddr) -> Meta {
    if meta.swim.is_empty() {
        meta.swim = reachable(local).to_string();
    }
    if let Some(host) = meta.swim.strip_suffix(":0") {
        meta.swim = format!("{host}:{}", local.port());
    }
    meta
}

/// Nobody can send to the unspecified address; without a configured one only this machine can.
fn reachable(local: SocketAddr) -> SocketAddr {
    match local.ip().is_unspecified() {
        true => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), local.port()),
        false => local,
    }
}

/// What the handle and the driver share. The core is locked for one input at a time and never across an await.
pub(crate) struct Shared {
    pub(crate) local: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) published: Published,
    /// Something was put in from outside the driver: its next deadline may be earlier now.
    pub(crate) poked: Notify,
    goodbye_spread: Notify,
    meta: Mutex<Meta>,
    engine: Mutex<Engine>,
    epoch: Instant,
}

struct Engine {
    core: Core,
    /// `None` once the detector has stopped, so that the port is free again.
    outbox: Option<Outbox>,
}

impl Shared {
    fn new(
        config: Config,
        socket: Arc<UdpSocket>,
        (scope, clock, local): (TaskScope, Clock, SocketAddr),
    ) -> Self {
        let epoch = clock.now();
        let meta = Mutex::new(config.meta.clone());
        let core = Core::new(config, random::bits64());
        let published = Published::default();
        published.publish(core.members(), &[]);
        let engine = Mutex::new(Engine { core, outbox: Some(Outbox::new(socket, scope, clock.clone())) });
        let (poked, goodbye_spread) = (Notify::new(), Notify::new());
        Self { local, clock, published, poked, goodbye_spread, meta, engine, epoch }
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The socket to read from; `None` once stopped.
    pub(crate) fn socket(&self) -> Option<Arc<UdpSocket>> {
        self.engine().outbox.as_ref().map(Outbox::socket)
    }

    /// When the core wants to be woken.
    pub(crate) fn deadline(&self) -> Instant {
        self.epoch + self.engine().core.next_deadline()
    }

    /// An input from outside the driver.
    fn drive(&self, input: Input) {
        self.feed([input]);
        self.poked.notify_one();
    }

    /// Feeds the core and carries out what it wants: packets, then the new view with its events.
    pub(crate) fn feed(&self, inputs: impl IntoIterator<Item = Input>) {
        let mut engine = self.engine();
        let now = self.clock.now().saturating_duration_since(self.epoch);
        let mut effects = Vec::new();
        inputs.into_iter().for_each(|input| engine.core.on(input, now, &mut effects));
        let events = engine.carry_out(effects);
        if engine.core.take_changed() || !events.is_empty() {
            self.published.publish(engine.core.members(), &events);
        }
        if engine.core.is_goodbye_spread() {
            self.goodbye_spread.notify_waiters();
        }
    }

    async fn until_goodbye_is_spread(&self) {
        loop {
            let spread = self.goodbye_spread.notified();
            tokio::pin!(spread);
            spread.as_mut().enable();
            if self.is_done() {
                return;
            }
            spread.await;
        }
    }

    fn is_done(&self) -> bool {
        let engine = self.engine();
        engine.outbox.is_none() || engine.core.is_goodbye_spread()
    }

    /// Frees the socket and ends every subscription.
    pub(crate) fn stop(&self) {
        self.engine().outbox = None;
        self.published.stop();
        self.goodbye_spread.notify_waiters();
    }
}

impl Engine {
    fn carry_out(&self, effects: Vec<Effect>) -> Vec<Event> {
        effects.into_iter().filter_map(|effect| self.carry_out_one(effect)).collect()
    }

    fn carry_out_one(&self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Emit(event) => return Some(event),
            Effect::Send { to, bytes } => self.send(to, bytes),
            Effect::Dropped(why) => driver::count_dropped(why.name()),
        }
        None
    }

    fn send(&self, to: crate::core::Target, bytes: Vec<u8>) {
        if let Some(outbox) = &self.outbox {
            outbox.send(to, bytes);
        }
    }
}

#[cfg(test)]
#[path = "swim_test.rs"]
mod swim_test;
