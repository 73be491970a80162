//! The protocol as a value: inputs and time in, effects out. No sockets, no clocks; the seed decides every draw.
//!
//! ```text
//!   packet ─► body ─► records ─► table.merge ─► news: events, timers, queue ─┐
//!               └───► message ─► probe / relay / sync answers ───────────────┴─► effects
//! ```

mod beliefs;
mod gossip;
mod health;
mod join;
mod news;
#[cfg(any(test, feature = "sim"))]
mod preload;
mod probe;
mod queue;
mod relay;
mod suspicion;
mod sync;
mod table;
mod timers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use muster_wire::NodeId;

use crate::body::{self, Message, Records, Refusal};
use crate::config::Config;
use crate::frame::{Alias, Envelope, Sender};
use crate::model::{Event, Evidence, LeaveReason, Member, Meta, State};
use crate::tuning::Tuning;

use health::Health;
use join::Joining;
use probe::Probing;
use queue::{Manner, Queue};
use relay::Relays;
use suspicion::Suspicions;
use sync::Giving;
pub use table::MEMBERS_MAX;
use table::{Peer, Table};
use timers::{Timer, Timers};

/// The `seq` of pings whose answer matters only for the news it carries.
const SEQ_UNWATCHED: u64 = 0;

/// What the core is told.
#[derive(Debug)]
pub enum Input {
    /// A packet has arrived and was opened.
    Packet {
        /// Where it came from; answers go there.
        from: Target,
        /// Who sent it.
        sender: Sender,
        /// What it says, not checked yet.
        body: Vec<u8>,
    },
    /// The time of [`Core::next_deadline`] has come. Harmless when early.
    Timer,
    /// What this node now says about itself; the caller has checked its size.
    Meta(Box<Meta>),
    /// The seeds are others now.
    Seeds(Vec<String>),
    /// The figures are others now.
    Tuning(Tuning),
    /// Say goodbye.
    Leave(LeaveReason),
    /// What other traffic has shown.
    Evidence(NodeId, Evidence),
}

/// Where a packet goes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// Back to where a packet came from.
    Address(SocketAddr),
    /// To a `host:port` from a seed list or from metadata.
    Name(String),
    /// Back on the stream that a packet came from.
    Stream(u64),
}

/// What the core wants done, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Send a packet; it may get lost.
    Send {
        /// Where to.
        to: Target,
        /// For whom.
        envelope: Envelope,
        /// At most [`crate::frame::BODY_BYTES_MAX`] bytes.
        body: Arc<[u8]>,
    },
    /// Ask over TCP: send the packet, take one packet as the answer. A refused connection is
    /// [`Evidence::Refused`].
    Dial {
        /// `host:port` of the node's membership listener.
        name: String,
        /// Who is asked.
        to: NodeId,
        /// At most [`crate::frame::BODY_BYTES_MAX`] bytes.
        body: Arc<[u8]>,
    },
    /// Tell the subscribers.
    Emit(Event),
    /// Count a packet or a part of it that was not used.
    Dropped(Refusal),
}

/// One node's part of the protocol. Times are durations since any fixed moment.
pub struct Core {
    id: NodeId,
    tuning: Tuning,
    rng: StdRng,
    secret: u64,
    now: Duration,
    me: Peer,
    table: Table,
    timers: Timers,
    queue: Queue,
    probing: Probing,
    relays: Relays,
    suspicions: Suspicions,
    health: Health,
    joining: Joining,
    giving: Giving,
    leaving: bool,
    superseded: bool,
    changed: bool,
    out: Vec<Effect>,
}

impl Core {
    /// A node that knows nobody yet; it wants to be woken at once. `now` is the moment of its start.
    pub fn new(config: &Config, (seed, now): (u64, Duration)) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut core = Self {
            id: config.id,
            tuning: config.profile.tuning(),
            secret: rng.random(),
            rng,
            now,
            me: own_peer(config, now),
            table: Table::default(),
            timers: Timers::default(),
            queue: Queue::default(),
            probing: Probing::default(),
            relays: Relays::default(),
            suspicions: Suspicions::default(),
            health: Health::default(),
            joining: Joining::new(config.seeds.clone()),
            giving: Giving::default(),
            leaving: false,
            superseded: false,
            changed: false,
            out: Vec::new(),
        };
        core.queue.push(core.id, Manner::Full);
        core.timers.set(Timer::Join, now);
        core.schedule();
        core
    }

    /// The first rounds come at random moments, so that nodes started together do not act together.
    fn schedule(&mut self) {
        let rounds = [
            (Timer::Probe, self.tuning.probe_interval),
            (Timer::Gossip, self.tuning.gossip_interval),
            (Timer::Sync, self.tuning.sync_interval),
            (Timer::Reconnect, self.tuning.reconnect_interval),
        ];
        for (timer, interval) in rounds {
            let phase = interval.mul_f64(self.rng.random());
            self.timers.set(timer, self.now + phase);
        }
    }

    /// Takes one input in. `now` must not go back; if it does, the earlier time is kept.
    pub fn on(&mut self, input: Input, now: Duration, out: &mut Vec<Effect>) {
        self.now = self.now.max(now);
        match input {
            Input::Packet { from, sender, body } => self.on_packet(from, sender, &body),
            Input::Timer => self.on_timers(),
            Input::Meta(meta) => self.set_meta(*meta),
            Input::Seeds(seeds) => self.set_seeds(seeds),
            Input::Tuning(tuning) => self.set_tuning(tuning),
            Input::Leave(reason) => self.leave(reason),
            Input::Evidence(id, evidence) => self.on_evidence(id, evidence),
        }
        out.append(&mut self.out);
    }

    fn on_evidence(&mut self, id: NodeId, evidence: Evidence) {
        match evidence {
            Evidence::RpcOk => self.on_contact(id),
            Evidence::RpcFail => drop(self.start_probe(id)),
            Evidence::Refused => self.on_refused(id),
        }
    }

    /// The figures in use.
    pub fn tuning(&self) -> Tuning {
        self.tuning
    }

    /// What is under way goes on with the figures that it began with.
    fn set_tuning(&mut self, tuning: Tuning) {
        if tuning == self.tuning {
            return;
        }
        self.tuning = tuning;
        if !self.leaving {
            self.schedule();
        }
    }

    /// When it wants [`Input::Timer`].
    pub fn next_deadline(&self) -> Duration {
        self.timers.next().unwrap_or(self.now + self.tuning.reconnect_interval)
    }

    /// The process that an alias in a packet's header stands for.
    pub fn by_alias(&self, alias: Alias) -> Option<Sender> {
        self.table.by_alias(alias)
    }

    /// The view with this node in it, sorted by id.
    pub fn members(&self) -> Vec<Member> {
        let mut members: Vec<_> = self.table.iter().map(|(id, peer)| peer.member(id)).collect();
        let at = members.partition_point(|member| member.id < self.id);
        members.insert(at, self.me.member(self.id));
        members
    }

    /// One member of the view other than this node.
    pub fn member(&self, id: NodeId) -> Option<Member> {
        self.table.get(id).map(|peer| peer.member(id))
    }

    /// Has the view changed since the last time this was asked?
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The goodbye was told as often as any news, or there is nobody to tell.
    pub fn is_goodbye_spread(&self) -> bool {
        self.leaving && (!self.queue.contains(self.id) || self.table.live().is_empty())
    }

    fn on_packet(&mut self, from: Target, sender: Sender, bytes: &[u8]) {
        match body::open(bytes) {
            _ if sender.id == self.id => self.drop_packet(Refusal::Own),
            Ok((message, records)) => self.on_body((from, sender), &message, records),
            Err(refusal) => self.drop_packet(refusal),
        }
    }

    fn drop_packet(&mut self, refusal: Refusal) {
        self.out.push(Effect::Dropped(refusal));
    }

    fn on_body(&mut self, (from, sender): (Target, Sender), message: &Message, records: Records<'_>) {
        let view_of = matches!(message, Message::View).then_some(sender.id);
        for record in records {
            match record {
                Ok(record) => self.learn_from(&from, sender, (record, view_of)),
                Err(refusal) => self.drop_packet(refusal),
            }
        }
        self.on_message((from.clone(), sender), message);
        self.correct_sender(from, sender);
    }

    fn on_message(&mut self, (from, sender): (Target, Sender), message: &Message) {
        let id = sender.id;
        match message {
            Message::Ping { seq } => self.on_ping(from, sender, *seq),
            Message::Ack { seq, stranger } => self.on_ack((from, sender), (*seq, *stranger)),
            Message::PingReq { seq, target } => self.on_ping_req((from, id), (*seq, *target)),
            Message::Relayed { seq, about, generation } => self.on_relayed(*seq, (*about, *generation)),
            Message::Nack { seq, about } => self.count_nack(*seq, *about),
            Message::Gossip => (),
            Message::Digest { digests } => self.on_digest((from, id), digests),
            Message::Differ { buckets, mask, proof } => self.on_differ((from, id), (*buckets, *mask, *proof)),
            Message::Pull { buckets, mask, proof } => self.on_pull((from, id), (*buckets, *mask, *proof)),
            Message::View => self.note_joined(),
        }
    }

    fn on_timers(&mut self) {
        while let Some((due, timer)) = self.timers.pop(self.now) {
            self.note_lateness(due);
            match timer.judges() && self.is_late(due) {
                true => self.timers.set(timer, self.now + self.tuning.probe_interval),
                false => self.on_timer(timer),
            }
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Probe => self.probe_round(),
            Timer::ProbeAgain(seq) => self.probe_again(seq),
            Timer::ProbeIndirect(seq) => self.probe_indirectly(seq),
            Timer::ProbeReliable(seq) => self.probe_reliably(seq),
            Timer::ProbeEnd(seq) => self.end_probe(seq),
            Timer::Nack(seq) => self.nack(seq),
            Timer::Relay(seq) => self.end_relay(seq),
            Timer::Chase(id) => self.chase(id),
            Timer::Suspicion(id) => self.declare_dead(id),
            Timer::Forget(id) => self.forget(id),
            Timer::Gossip => self.gossip_round(),
            Timer::Sync => self.sync_round(),
            Timer::Reconnect => self.reconnect_round(),
            Timer::Join => self.join_round(),
        }
    }

    fn emit(&mut self, event: Event) {
        self.changed = true;
        self.out.push(Effect::Emit(event));
    }

    /// Live nodes with this one.
    fn size(&self) -> usize {
        self.table.live().len() + 1
    }

    fn random_below(&mut self, bound: usize) -> usize {
        match bound {
            0 => 0,
            _ => self.rng.random_range(0..bound),
        }
    }

    /// Up to `most` random live members that pass.
    fn some_live(&mut self, most: usize, pass: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        match most.saturating_mul(4) < self.table.live().len() {
            true => self.draw_live(most, pass),
            false => self.shuffle_live(most, pass),
        }
    }

    /// A few of many.
    fn draw_live(&mut self, most: usize, pass: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        let mut drawn = Vec::with_capacity(most);
        for _ in 0..most * 4 {
            let at = self.random_below(self.table.live().len());
            let id = self.table.live().get(at).copied();
            drawn.extend(id.filter(|id| drawn.len() < most && !drawn.contains(id) && pass(*id)));
        }
        drawn
    }

    fn shuffle_live(&mut self, most: usize, pass: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        let mut ids: Vec<_> = self.table.live().iter().copied().filter(|id| pass(*id)).collect();
        let most = most.min(ids.len());
        for at in 0..most {
            let other = self.rng.random_range(at..ids.len());
            ids.swap(at, other);
        }
        ids.truncate(most);
        ids
    }
}

fn own_peer(config: &Config, now: Duration) -> Peer {
    let (by, reason, meta) = (None, None, Some(Arc::new(config.meta.clone())));
    let (id, generation) = (config.id, config.generation);
    let record = body::Record {
        id,
        generation,
        incarnation: 0,
        state: State::Alive,
        meta_version: 1,
        by,
        reason,
        meta,
    };
    Peer::new(&record, Arc::new(config.meta.clone()), now)
}

#[cfg(test)]
mod core_test;
