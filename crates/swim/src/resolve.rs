//! Sending: names are resolved off the core's path, at each try anew once a short memory has run out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use muster_runtime::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use muster_runtime::{Clock, TaskKind, TaskScope};

use crate::core::Target;
use crate::driver::count_dropped;

const RESOLVER: TaskKind = TaskKind::new("swim_resolve");

/// Names being resolved at the same time; packets to more are dropped, as the network may do anyway.
const LOOKUPS_MAX: usize = 32;
/// Names remembered.
const NAMES_MAX: usize = 4096;
/// How long a name's address is believed.
const NAME_KEEP: Duration = Duration::from_secs(10);
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Where packets leave. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Outbox {
    socket: Arc<UdpSocket>,
    scope: TaskScope,
    clock: Clock,
    names: Arc<Mutex<BTreeMap<String, (SocketAddr, Instant)>>>,
    lookups: Arc<Semaphore>,
}

impl Outbox {
    pub(crate) fn new(socket: Arc<UdpSocket>, scope: TaskScope, clock: Clock) -> Self {
        let lookups = Arc::new(Semaphore::new(LOOKUPS_MAX));
        Self { socket, scope, clock, names: Arc::default(), lookups }
    }

    pub(crate) fn socket(&self) -> Arc<UdpSocket> {
        self.socket.clone()
    }

    /// Sends now if the address is known, else once its name is resolved. Never waits; a packet may be lost.
    pub(crate) fn send(&self, to: Target, bytes: Vec<u8>) {
        match to {
            Target::Address(address) => self.send_to(address, &bytes),
            Target::Name(name) => self.send_to_name(name, bytes),
            Target::Stream(_) => count_dropped("stream_closed"),
        }
    }

    fn send_to(&self, address: SocketAddr, bytes: &[u8]) {
        if self.socket.try_send_to(bytes, address).is_err() {
            count_dropped("send_error");
        }
    }

    fn send_to_name(&self, name: String, bytes: Vec<u8>) {
        match self.known(&name) {
            Some(address) => self.send_to(address, &bytes),
            None => self.look_up(name, bytes),
        }
    }

    fn known(&self, name: &str) -> Option<SocketAddr> {
        if let Ok(address) = name.parse() {
            return Some(address);
        }
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let (address, until) = *names.get(name)?;
        (self.clock.now() < until).then_some(address)
    }

    fn look_up(&self, name: String, bytes: Vec<u8>) {
        let Ok(permit) = self.lookups.clone().try_acquire_owned() else {
            return count_dropped("lookups_busy");
        };
        let outbox = self.clone();
        self.scope.spawn_until_stop(RESOLVER, async move {
            outbox.resolve_and_send(name, bytes).await;
            drop(permit);
        });
    }

    async fn resolve_and_send(&self, name: String, bytes: Vec<u8>) {
        if let Some(address) = self.resolve(&name).await {
            self.send_to(address, &bytes);
        }
    }

    /// Where a name leads; a missing answer is counted.
    pub(crate) async fn resolve(&self, name: &str) -> Option<SocketAddr> {
        if let Some(address) = self.known(name) {
            return Some(address);
        }
        let lookup =
            tokio::time::timeout(LOOKUP_TIMEOUT, muster_runtime::net::lookup_host(name.to_owned())).await;
        let address = lookup.ok().and_then(Result::ok).and_then(|found| self.pick(found));
        match address {
            Some(address) => self.remember(name.to_owned(), address),
            None => count_dropped("name_unresolved"),
        }
        address
    }

    /// The first address of the socket's own family.
    fn pick(&self, mut found: impl Iterator<Item = SocketAddr>) -> Option<SocketAddr> {
        let v4 = self.socket.local_addr().is_ok_and(|local| local.is_ipv4());
        found.find(|address| address.is_ipv4() == v4)
    }

    fn remember(&self, name: String, address: SocketAddr) {
        let now = self.clock.now();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|_, (_, until)| *until > now);
        if names.len() < NAMES_MAX {
            names.insert(name, (address, now + NAME_KEEP));
        }
    }
}
