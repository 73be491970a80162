//! The handle: starts the detector, shows its view, tells it things.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use muster_runtime::net::{TcpListener, UdpSocket};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use muster_runtime::{Clock, TaskScope, random};
use muster_wire::NodeId;

use crate::config::{Config, SwimError};
use crate::core::{Core, Input};
use crate::engine::{Arrival, Engine, Outcome};
use crate::events::{Events, Filter, Published, find};
use crate::frame::{Framer, KeyRing, Sender};
use crate::model::{Evidence, LeaveReason, Member, Meta};
use crate::resolve::Outbox;
use crate::streams::Dial;
use crate::tuning::{Profile, Tuning};
use crate::{driver, streams};

/// Tries to find a port that is free for datagrams and streams alike.
const PORT_TRIES: usize = 32;

/// A node's failure detector. Cheap to clone: clones are the same detector. It stops with its scope.
#[derive(Clone)]
pub struct Swim {
    shared: Arc<Shared>,
}

impl Swim {
    /// Binds one port for UDP and TCP and starts to join through the seeds. The tasks belong to `scope`.
    pub async fn start(config: Config, scope: TaskScope, clock: Clock) -> Result<Swim, SwimError> {
        let sockets = bind(config.listen).await?;
        let local =
            sockets.0.local_addr().map_err(|source| SwimError::Bind { listen: config.listen, source })?;
        let config = Config { meta: with_address(config.meta.clone(), local), ..config };
        if !config.meta.fits() {
            return Err(SwimError::MetaTooLarge);
        }
        let shared = Shared::new(config, Arc::new(sockets.0), (scope.clone(), clock, local));
        driver::start(&shared, &scope);
        streams::start(&shared, &scope, sockets.1);
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
        find(&self.snapshot(), id).cloned()
    }

    /// The smoothed round trip of a member's direct answers.
    pub fn rtt(&self, id: NodeId) -> Option<Duration> {
        self.member(id)?.rtt
    }

    /// How long ago a time of [`Member`] or [`crate::Event`] was.
    pub fn age(&self, at: Duration) -> Duration {
        self.shared.now().saturating_sub(at)
    }

    /// This node's local health multiplier: 0 is well, 7 is the worst.
    pub fn lhm(&self) -> u8 {
        self.shared.engine().core().lhm()
    }

    /// Are more than a third of the members silent at once? Replace nobody meanwhile: the fault may be this node's.
    pub fn is_mass_suspicion(&self) -> bool {
        self.shared.engine().core().is_mass_suspicion()
    }

    /// The view and every change after it, without a gap between them.
    pub fn subscribe(&self) -> (Arc<Vec<Member>>, Events) {
        self.subscribe_to(Filter::default())
    }

    /// The part of the view that passes, and every change of it, without a gap between them.
    pub fn subscribe_to(&self, filter: Filter) -> (Arc<Vec<Member>>, Events) {
        self.shared.published.subscribe(filter)
    }

    /// The figures in use.
    pub fn tuning(&self) -> Tuning {
        self.shared.engine().core().tuning()
    }

    /// Changes the figures while it runs.
    pub fn set_profile(&self, profile: Profile) {
        self.set_tuning(profile.tuning());
    }

    /// Changes single figures while it runs.
    pub fn set_tuning(&self, tuning: Tuning) {
        self.shared.drive(Arrival::Input(Input::Tuning(tuning)));
    }

    /// Changes the keys while it runs: the first seals from now on, all of them open.
    pub fn set_keys(&self, keys: KeyRing) {
        self.shared.engine().set_keys(keys);
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
        self.shared.drive(Arrival::Input(Input::Meta(Box::new(meta))));
    }

    /// Replaces the seeds.
    pub fn set_seeds(&self, seeds: Vec<String>) {
        self.shared.drive(Arrival::Input(Input::Seeds(seeds)));
    }

    /// Says goodbye and waits until it was told often enough, at most until `deadline` from now. Afterwards the node
    /// no longer probes; stop the scope next.
    pub async fn leave(&self, reason: LeaveReason, deadline: Duration) {
        self.shared.drive(Arrival::Input(Input::Leave(reason)));
        if tokio::time::timeout(deadline, self.shared.until_goodbye_is_spread()).await.is_err() {
            tracing::warn!(?deadline, "the goodbye was not told often enough before its deadline");
        }
    }

    /// Tells what other traffic has shown about a node.
    pub fn report_evidence(&self, id: NodeId, evidence: Evidence) {
        self.shared.drive(Arrival::Input(Input::Evidence(id, evidence)));
    }
}

/// One port for both. A free one may be taken for the other kind, so several are tried.
async fn bind(listen: SocketAddr) -> Result<(UdpSocket, TcpListener), SwimError> {
    let tries = if listen.port() == 0 { PORT_TRIES } else { 1 };
    let mut bound = bind_once(listen).await;
    for _ in 1..tries {
        bound = match bound {
            Ok(sockets) => return Ok(sockets),
            Err(_) => bind_once(listen).await,
        };
    }
    bound.map_err(|source| SwimError::Bind { listen, source })
}

async fn bind_once(listen: SocketAddr) -> std::io::Result<(UdpSocket, TcpListener)> {
    let socket = UdpSocket::bind(listen).await?;
    let listener = TcpListener::bind(socket.local_addr()?).await?;
    socket.writable().await?;
    Ok((socket, listener))
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

/// What the handle and the tasks share. The engine is locked for one round of arrivals and never across an await.
pub(crate) struct Shared {
    pub(crate) local: SocketAddr,
    pub(crate) published: Published,
    /// Something was put in from outside the driver: its next deadline may be earlier now.
    pub(crate) poked: Notify,
    pub(crate) dials: Arc<Semaphore>,
    clock: Clock,
    scope: TaskScope,
    goodbye_spread: Notify,
    meta: Mutex<Meta>,
    engine: Mutex<Engine>,
    streams: AtomicU64,
    epoch: Instant,
    myself: Weak<Self>,
}

impl Shared {
    fn new(
        config: Config,
        socket: Arc<UdpSocket>,
        (scope, clock, local): (TaskScope, Clock, SocketAddr),
    ) -> Arc<Self> {
        let core = Core::new(&config, (random::bits64(), Duration::ZERO));
        let me = Sender { id: config.id, generation: config.generation };
        let framer = Framer::new(me, &config.cluster, (config.keys, clock.unix_ms().saturating_mul(1000)));
        let published = Published::default();
        published.publish(core.members(), &[]);
        let outbox = Outbox::new(socket, scope.clone(), clock.clone());
        Arc::new_cyclic(|myself| Self {
            local,
            published,
            poked: Notify::new(),
            dials: Arc::new(Semaphore::new(streams::DIALLED_MAX)),
            epoch: clock.now(),
            clock,
            scope,
            goodbye_spread: Notify::new(),
            meta: Mutex::new(config.meta),
            engine: Mutex::new(Engine::new(core, framer, outbox)),
            streams: AtomicU64::new(0),
            myself: myself.clone(),
        })
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.epoch)
    }

    /// The socket to read from; `None` once stopped.
    pub(crate) fn socket(&self) -> Option<Arc<UdpSocket>> {
        self.engine().outbox().map(Outbox::socket)
    }

    /// When the core wants to be woken.
    pub(crate) fn deadline(&self) -> Instant {
        self.epoch + self.engine().core().next_deadline()
    }

    /// A number for a stream.
    pub(crate) fn next_stream(&self) -> u64 {
        self.streams.fetch_add(1, Ordering::Relaxed)
    }

    /// Where a name leads now.
    pub(crate) async fn resolve(&self, name: &str) -> Option<SocketAddr> {
        let outbox = self.engine().outbox().cloned()?;
        outbox.resolve(name).await
    }

    /// An arrival from outside the driver.
    pub(crate) fn drive(&self, arrival: Arrival) {
        self.feed([arrival]);
        self.poked.notify_one();
    }

    /// Feeds the core and carries out what it wants: packets, then the new view with its events, then streams. Gives
    /// the answers to packets that came over streams.
    pub(crate) fn feed(&self, arrivals: impl IntoIterator<Item = Arrival>) -> Vec<(u64, Vec<u8>)> {
        let mut engine = self.engine();
        let Outcome { events, members, replies, dials, is_goodbye_spread } =
            engine.feed(arrivals, self.now());
        // still under the lock, so that views are published in their order
        if let Some(members) = members {
            self.published.publish(members, &events);
        }
        drop(engine);
        if is_goodbye_spread {
            self.goodbye_spread.notify_waiters();
        }
        dials.into_iter().for_each(|dial| self.start_dial(dial));
        replies
    }

    fn start_dial(&self, dial: Dial) {
        if let Some(shared) = self.myself.upgrade() {
            streams::dial(&shared, &self.scope, dial);
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
        engine.outbox().is_none() || engine.core().is_goodbye_spread()
    }

    /// Frees the socket and ends every subscription.
    pub(crate) fn stop(&self) {
        self.engine().stop();
        self.published.stop();
        self.goodbye_spread.notify_waiters();
    }
}

#[cfg(test)]
#[path = "swim_test.rs"]
mod swim_test;
