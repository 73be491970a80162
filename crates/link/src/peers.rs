//! One slot per dialled address: its link, or the dial under way, or how the last dial failed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_runtime::CancellationToken;
use muster_wire::hello::Hello;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::error::CallError;
use crate::pipe::Close;

/// A link that nobody keeps is closed after so many looks of the janitor without a call.
pub(crate) const IDLE_LOOKS: u32 = 4;

/// Marks the slot of an address's second link. No address ends like this.
const ASIDE: &str = "#aside";

/// The name of the slot of an address's second link.
pub(crate) fn aside(addr: &str) -> String {
    format!("{addr}{ASIDE}")
}

/// What a dial came to.
pub(crate) type DialOutcome = Result<Arc<Connection>, CallError>;
/// Shows the outcome once it is there.
pub(crate) type DialWatch = watch::Receiver<Option<DialOutcome>>;

/// One dialled address.
pub(crate) struct Peer {
    pub(crate) addr: String,
    state: Mutex<State>,
    idle_looks: AtomicU32,
}

struct State {
    /// Who answered there last.
    known: Option<Arc<Hello>>,
    phase: Phase,
    kept: Option<CancellationToken>,
}

enum Phase {
    Idle,
    Dialing(DialWatch),
    Up(Arc<Connection>),
    Failed(Instant, CallError),
}

/// What a caller finds.
pub(crate) enum Found {
    /// An open link.
    Up(Arc<Connection>),
    /// A dial is under way.
    Dialing(DialWatch),
    /// A dial has just failed.
    Failed(CallError),
    /// The caller is to dial, and to put the outcome here.
    Yours(watch::Sender<Option<DialOutcome>>, DialWatch),
}

impl Peer {
    fn new(addr: String) -> Self {
        let state = Mutex::new(State { known: None, phase: Phase::Idle, kept: None });
        Self { addr, state, idle_looks: AtomicU32::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot's link. Failures longer than `pause` ago are forgotten.
    pub(crate) fn find(&self, now: Instant, pause: Duration) -> Found {
        self.idle_looks.store(0, Ordering::Relaxed);
        let mut state = self.state();
        match state.phase.found(now, pause) {
            Some(found) => found,
            None => state.begin_dial(),
        }
    }

    /// Notes the outcome of a dial.
    pub(crate) fn settle(&self, outcome: &DialOutcome, now: Instant) {
        let mut state = self.state();
        if let Ok(connection) = outcome {
            state.known = Some(connection.peer());
        }
        state.phase = match outcome {
            Ok(connection) => Phase::Up(connection.clone()),
            Err(error) => Phase::Failed(now, error.clone()),
        };
    }

    /// Who answered there last; newer than the last handshake if the peer told more since.
    pub(crate) fn known(&self) -> Option<Arc<Hello>> {
        let state = self.state();
        state.phase.up().map(|connection| connection.peer()).or_else(|| state.known.clone())
    }

    /// Who answers on the open link, and how many frames came from there.
    fn heard(&self) -> Option<(Arc<Hello>, u64)> {
        let state = self.state();
        let open = state.phase.up().filter(|connection| connection.is_open())?;
        Some((open.peer(), open.pipe().heard()))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.heard().is_some()
    }

    /// Closes the link from this side: calls that wait for an answer are told that it is lost.
    pub(crate) fn close(&self) {
        let up = self.state().phase.up().cloned();
        if let Some(connection) = up {
            connection.close(Close::Here);
        }
    }

    /// Keeps the link; `None` if it is kept already.
    pub(crate) fn keep(&self, stop: &CancellationToken) -> Option<CancellationToken> {
        let mut state = self.state();
        if state.kept.is_some() {
            return None;
        }
        Some(state.kept.insert(stop.child_token()).clone())
    }

    /// Keeps the link no longer.
    pub(crate) fn unkeep(&self) {
        if let Some(kept) = self.state().kept.take() {
            kept.cancel();
        }
    }

    /// Called at regular times; true if the slot is unused and may be forgotten.
    fn look(&self) -> bool {
        let looks = self.idle_looks.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state();
        if state.kept.is_some() || looks < IDLE_LOOKS {
            return false;
        }
        state.close_if_idle();
        matches!(state.phase, Phase::Idle)
    }
}

impl State {
    fn begin_dial(&mut self) -> Found {
        let (sender, watch) = watch::channel(None);
        self.phase = Phase::Dialing(watch.clone());
        Found::Yours(sender, watch)
    }

    fn close_if_idle(&mut self) {
        if let Some(connection) = self.phase.up().cloned() {
            self.known = Some(connection.peer());
            close_unused(&connection);
        }
        if !self.phase.is_in_use() {
            self.phase = Phase::Idle;
        }
    }
}

fn close_unused(connection: &Connection) {
    if connection.is_idle() {
        connection.close(Close::Here);
    }
}

impl Phase {
    /// The link, open or just lost.
    const fn up(&self) -> Option<&Arc<Connection>> {
        match self {
            Self::Up(connection) => Some(connection),
            Self::Idle | Self::Dialing(_) | Self::Failed(..) => None,
        }
    }

    fn found(&self, now: Instant, pause: Duration) -> Option<Found> {
        match self {
            Self::Up(connection) => connection.is_open().then(|| Found::Up(connection.clone())),
            Self::Dialing(watch) => watch.has_changed().is_ok().then(|| Found::Dialing(watch.clone())),
            Self::Failed(at, error) => (now < *at + pause).then(|| Found::Failed(error.clone())),
            Self::Idle => None,
        }
    }

    fn is_in_use(&self) -> bool {
        match self {
            Self::Up(connection) => connection.is_open(),
            Self::Dialing(watch) => watch.has_changed().is_ok(),
            Self::Failed(..) | Self::Idle => false,
        }
    }
}

/// All slots. Bounded; unused ones are forgotten.
pub(crate) struct Peers {
    slots: Mutex<HashMap<String, Arc<Peer>>>,
    most: usize,
}

impl Peers {
    pub(crate) fn new(most: usize) -> Self {
        Self { slots: Mutex::default(), most }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Arc<Peer>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of an address, made if there is room.
    pub(crate) fn slot(&self, addr: &str) -> Result<Arc<Peer>, CallError> {
        let mut slots = self.slots();
        if let Some(peer) = slots.get(addr) {
            return Ok(peer.clone());
        }
        if slots.len() >= self.most {
            return Err(CallError::Busy);
        }
        let peer = Arc::new(Peer::new(addr.strip_suffix(ASIDE).unwrap_or(addr).to_owned()));
        slots.insert(addr.to_owned(), peer.clone());
        Ok(peer)
    }

    pub(crate) fn get(&self, addr: &str) -> Option<Arc<Peer>> {
        self.slots().get(addr).cloned()
    }

    /// The slot of an address's second link.
    pub(crate) fn aside(&self, addr: &str) -> Option<Arc<Peer>> {
        self.get(&aside(addr))
    }

    /// Who answers on open links, and how many frames came over each.
    pub(crate) fn heard(&self) -> Vec<(Arc<Hello>, u64)> {
        self.slots().values().filter_map(|peer| peer.heard()).collect()
    }

    /// Closes links that nobody used for a while and forgets their slots.
    pub(crate) fn sweep(&self) {
        let mut slots = self.slots();
        slots.retain(|_, peer| !peer.look());
        metrics::gauge!("muster_link_peers").set(slots.len() as f64);
    }
}
