//! A simulated network: virtual time, seeded loss and delay, cuts, stalls, crashes and restarts. Any protocol that
//! is a value runs in it, so that protocols can be compared on the same seeds.
//!
//! ```text
//!   World ── heap of happenings ── Protocol (ours, or another) ── Out ── Net (loss, delay, cuts) ──┐
//!     └──────────────────────────────────────────────────────────────────────────────────────────┘
//! ```

mod net;
mod ours;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

pub use net::Net;
pub use ours::{Ours, Setup, address, node_id};

use crate::model::State;

/// A node's place in the simulation.
pub type Place = u32;

/// Bytes of the IP and UDP headers.
pub const DATAGRAM_BYTES: usize = 28;
/// Bytes that a short TCP stream costs each side beside its content.
const STREAM_BYTES: usize = 200;

/// What a protocol wants done.
#[derive(Debug)]
pub enum Out<E> {
    /// A datagram.
    Send {
        /// To whom.
        to: Place,
        /// What it carries.
        body: Arc<[u8]>,
        /// Its size with frame, but without IP and UDP headers.
        bytes: usize,
    },
    /// A question over TCP.
    Dial {
        /// To whom.
        to: Place,
        /// What it carries.
        body: Arc<[u8]>,
    },
    /// An answer on the stream that the input came from.
    Answer {
        /// What it carries.
        body: Arc<[u8]>,
    },
    /// An event for subscribers.
    Event(E),
}

/// How a packet came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// As a datagram.
    Datagram,
    /// As the question on a stream.
    Question,
    /// As the answer on a stream.
    Answer,
}

/// Events and when they were told.
pub type Story<E> = Vec<(Duration, E)>;

/// A datagram: from where, where to, and what it says.
pub type Recorded = (Place, Place, Arc<[u8]>);

/// A failure detector that is a value.
pub trait Protocol {
    /// What it tells its subscribers.
    type Event;

    /// A packet has come: from where, how, and what it says.
    fn packet(&mut self, packet: (Place, Way, &[u8]), now: Duration, out: &mut Vec<Out<Self::Event>>);
    /// The time of [`Protocol::deadline`] has come.
    fn timer(&mut self, now: Duration, out: &mut Vec<Out<Self::Event>>);
    /// When it wants to be woken.
    fn deadline(&self) -> Duration;
    /// It leaves.
    fn leave(&mut self, now: Duration, out: &mut Vec<Out<Self::Event>>);
    /// A dial was refused.
    fn refused(&mut self, of: Place, now: Duration, out: &mut Vec<Out<Self::Event>>);
    /// What it believes about another; `None`: it does not know it.
    fn belief(&self, of: Place) -> Option<State>;
}

enum Happening {
    Wake(Place),
    Packet { from: Place, to: Place, way: Way, body: Arc<[u8]> },
    Refused { at: Place, of: Place },
}

struct Due {
    at: Duration,
    seq: u64,
    what: Happening,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Due {
    const fn key(&self) -> (Duration, u64) {
        (self.at, self.seq)
    }
}

/// One running node.
pub struct Node<P: Protocol> {
    /// Its protocol.
    pub protocol: P,
    /// Every event with its time.
    pub events: Vec<(Duration, P::Event)>,
    /// Packets before this time wait for it.
    pub deaf_until: Duration,
    /// Timers before this time wait for it.
    pub frozen_until: Duration,
    woken_at: Duration,
}

/// Everything there is.
pub struct World<P: Protocol> {
    /// Virtual time.
    pub now: Duration,
    /// Every draw of the network.
    pub rng: StdRng,
    /// The running nodes.
    pub nodes: BTreeMap<Place, Node<P>>,
    /// What happens to packets.
    pub net: Net,
    /// Bytes sent, with all headers.
    pub bytes: u64,
    /// Datagrams sent.
    pub datagrams: u64,
    /// Events of nodes that are gone.
    pub past: Vec<(Place, Story<P::Event>)>,
    /// The last datagrams, if kept: what a recorder on the network would have.
    pub recorded: Option<Vec<Recorded>>,
    heap: BinaryHeap<Reverse<Due>>,
    seq: u64,
    trace: DefaultHasher,
}

impl<P: Protocol> World<P> {
    /// An empty world.
    pub fn new(seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            rng: StdRng::seed_from_u64(seed),
            nodes: BTreeMap::new(),
            net: Net::default(),
            bytes: 0,
            datagrams: 0,
            past: Vec::new(),
            recorded: None,
            heap: BinaryHeap::new(),
            seq: 0,
            trace: DefaultHasher::new(),
        }
    }

    /// A seed for a node.
    pub fn draw(&mut self) -> u64 {
        self.rng.random()
    }

    /// A node begins, in the place of one that was there before.
    pub fn start(&mut self, place: Place, protocol: P) {
        self.crash(place);
        let (events, zero) = (Vec::new(), Duration::ZERO);
        let node = Node { protocol, events, deaf_until: zero, frozen_until: zero, woken_at: Duration::MAX };
        self.nodes.insert(place, node);
        self.schedule(place);
    }

    /// A node is gone without a word.
    pub fn crash(&mut self, place: Place) {
        if let Some(node) = self.nodes.remove(&place) {
            self.past.push((place, node.events));
        }
    }

    /// A node leaves; it still runs.
    pub fn leave(&mut self, place: Place) {
        self.act(place, |protocol, now, out| protocol.leave(now, out));
    }

    /// Does something to a node.
    pub fn act(&mut self, place: Place, act: impl FnOnce(&mut P, Duration, &mut Vec<Out<P::Event>>)) {
        self.step_node(place, (place, Way::Datagram), act);
    }

    fn step_node(
        &mut self,
        place: Place,
        cause: (Place, Way),
        act: impl FnOnce(&mut P, Duration, &mut Vec<Out<P::Event>>),
    ) {
        let mut out = Vec::new();
        let Some(node) = self.nodes.get_mut(&place) else { return };
        act(&mut node.protocol, self.now, &mut out);
        out.into_iter().for_each(|one| self.carry_out((place, cause), one));
        self.schedule(place);
    }

    fn carry_out(&mut self, (place, cause): (Place, (Place, Way)), out: Out<P::Event>) {
        match out {
            Out::Send { to, body, bytes } => self.send((place, to), body, bytes),
            Out::Dial { to, body } => self.dial((place, to), body),
            Out::Answer { body } => self.answer((place, cause), body),
            Out::Event(event) => self.note(place, event),
        }
    }

    fn note(&mut self, place: Place, event: P::Event) {
        let now = self.now;
        if let Some(node) = self.nodes.get_mut(&place) {
            node.events.push((now, event));
        }
    }

    fn send(&mut self, (from, to): (Place, Place), body: Arc<[u8]>, bytes: usize) {
        self.bytes += (bytes + DATAGRAM_BYTES) as u64;
        self.datagrams += 1;
        (self.now, from, to, &body).hash(&mut self.trace);
        if let Some(recorded) = &mut self.recorded {
            recorded.push((from, to, body.clone()));
        }
        for delay in self.net.delays((from, to), bytes, &mut self.rng) {
            self.push(delay, Happening::Packet { from, to, way: Way::Datagram, body: body.clone() });
        }
    }

    /// A packet as a recorder on the network would send it again.
    pub fn replay(&mut self, (from, to, body): (Place, Place, Arc<[u8]>)) {
        self.push(Duration::from_millis(1), Happening::Packet { from, to, way: Way::Datagram, body });
    }

    fn dial(&mut self, (from, to): (Place, Place), body: Arc<[u8]>) {
        self.bytes += (STREAM_BYTES + body.len()) as u64;
        (self.now, from, to, &body).hash(&mut self.trace);
        let Some(delay) = self.net.connect((from, to), &mut self.rng) else { return };
        let is_gone = self.net.refuses && !self.nodes.contains_key(&to);
        match is_gone {
            true => self.push(delay, Happening::Refused { at: from, of: to }),
            false => self.push(delay, Happening::Packet { from, to, way: Way::Question, body }),
        }
    }

    fn answer(&mut self, (place, (asker, way)): (Place, (Place, Way)), body: Arc<[u8]>) {
        if way != Way::Question {
            return;
        }
        self.bytes += (STREAM_BYTES + body.len()) as u64;
        if let Some(delay) = self.net.resend((place, asker), &mut self.rng) {
            self.push(delay, Happening::Packet { from: place, to: asker, way: Way::Answer, body });
        }
    }

    fn push(&mut self, delay: Duration, what: Happening) {
        self.seq += 1;
        self.heap.push(Reverse(Due { at: self.now + delay, seq: self.seq, what }));
    }

    fn schedule(&mut self, place: Place) {
        let Some(node) = self.nodes.get_mut(&place) else { return };
        let at = node.protocol.deadline().max(node.frozen_until).max(self.now);
        if at < node.woken_at {
            node.woken_at = at;
            self.push(at - self.now, Happening::Wake(place));
        }
    }

    /// Runs the next thing that happens; `false` if that is after `end`.
    pub fn step(&mut self, end: Duration) -> bool {
        let is_due = self.heap.peek().is_some_and(|Reverse(due)| due.at <= end);
        if !is_due {
            self.now = end;
            return false;
        }
        if let Some(Reverse(due)) = self.heap.pop() {
            self.now = self.now.max(due.at);
            self.happen(due.at, due.what);
        }
        true
    }

    fn happen(&mut self, at: Duration, what: Happening) {
        match what {
            Happening::Wake(place) => self.wake(place, at),
            Happening::Packet { from, to, way, body } => self.deliver(to, (from, way), body),
            Happening::Refused { at: place, of } => {
                self.act(place, |protocol, now, out| protocol.refused(of, now, out));
            }
        }
    }

    fn wake(&mut self, place: Place, at: Duration) {
        let Some(node) = self.nodes.get_mut(&place).filter(|node| node.woken_at == at) else { return };
        node.woken_at = Duration::MAX;
        if node.frozen_until <= at {
            self.act(place, |protocol, now, out| protocol.timer(now, out));
        }
        self.schedule(place);
    }

    fn deliver(&mut self, to: Place, cause: (Place, Way), body: Arc<[u8]>) {
        let Some(node) = self.nodes.get(&to) else { return };
        if node.deaf_until > self.now {
            let wait = node.deaf_until - self.now;
            let (from, way) = cause;
            return self.push(wait, Happening::Packet { from, to, way, body });
        }
        self.step_node(to, cause, |protocol, now, out| protocol.packet((cause.0, cause.1, &body), now, out));
    }

    /// Runs for a while.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
    }

    /// Runs until something holds, looked at every 10 ms; gives how long it took, `None` if longer than `most`.
    pub fn until(&mut self, most: Duration, done: impl Fn(&Self) -> bool) -> Option<Duration> {
        let began = self.now;
        while !done(self) {
            if self.now >= began + most {
                return None;
            }
            self.run(Duration::from_millis(10));
        }
        Some(self.now - began)
    }

    /// What a running node believes about another.
    pub fn belief(&self, at: Place, of: Place) -> Option<State> {
        self.nodes.get(&at).and_then(|node| node.protocol.belief(of))
    }

    /// Do all running nodes but `of` believe this of it?
    pub fn all_believe(&self, of: Place, state: State) -> bool {
        self.nodes.keys().filter(|at| **at != of).all(|at| self.belief(*at, of) == Some(state))
    }

    /// Does every running node see every running node alive, and no other?
    pub fn is_whole(&self, places: impl Iterator<Item = Place> + Clone) -> bool {
        let sees = |at: Place, of: Place| {
            (self.belief(at, of) == Some(State::Alive)) == self.nodes.contains_key(&of)
        };
        self.nodes.keys().all(|at| places.clone().filter(|of| of != at).all(|of| sees(*at, of)))
    }

    /// Stands for everything that was sent.
    pub fn trace(&self) -> u64 {
        self.trace.finish()
    }
}

#[cfg(test)]
mod properties_test;
