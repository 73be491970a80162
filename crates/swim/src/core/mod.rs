//! The protocol as a value: inputs and time in, effects out. No sockets, no clocks; the seed decides every draw.
//!
//! ```text
//!   packet ─► open ─► records ─► table.merge ─► events, timers, queue ─┐
//!                └──► message ─► probe / sync answers ─────────────────┴─► effects
//! ```

mod beliefs;
mod gossip;
mod join;
mod probe;
mod queue;
mod table;
mod timers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use muster_wire::NodeId;

use crate::config::{Config, Tuning};
use crate::model::{Event, Evidence, LeaveReason, Member, Meta, State};
use crate::packet::{self, Envelope, Message, Records, Refusal};

use join::Joining;
use probe::Probing;
use queue::Queue;
pub use table::MEMBERS_MAX;
use table::{Peer, Table};
use timers::{Timer, Timers};

/// What the core is told.
#[derive(Debug)]
pub enum Input {
    /// A packet has arrived.
    Packet {
        /// Where it came from.
        from: SocketAddr,
        /// Its content, not checked yet.
        bytes: Vec<u8>,
    },
    /// The time of [`Core::next_deadline`] has come. Harmless when early.
    Timer,
    /// What this node now says about itself; the caller has checked its size.
    Meta(Box<Meta>),
    /// The seeds are others now.
    Seeds(Vec<String>),
    /// Say goodbye.
    Leave(LeaveReason),
    /// What other traffic has shown.
    Evidence(NodeId, Evidence),
}

/// Where a packet goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Back to where a packet came from.
    Address(SocketAddr),
    /// To a `host:port` from a seed list or from metadata.
    Name(String),
}

/// What the core wants done, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Send a packet; it may get lost.
    Send {
        /// Where to.
        to: Target,
        /// At most [`packet::PACKET_BYTES_MAX`] bytes.
        bytes: Vec<u8>,
    },
    /// Tell the subscribers.
    Emit(Event),
    /// Count a packet or a part of it that was not used.
    Dropped(Refusal),
}

/// One node's part of the protocol. Times are durations since any fixed moment.
pub struct Core {
    id: NodeId,
    cluster: u64,
    tuning: Tuning,
    rng: StdRng,
    now: Duration,
    me: Peer,
    table: Table,
    timers: Timers,
    queue: Queue,
    probing: Probing,
    joining: Joining,
    leaving: bool,
    superseded: bool,
    changed: bool,
    out: Vec<Effect>,
}

impl Core {
    /// A node that knows nobody yet; it wants to be woken at once.
    pub fn new(config: Config, seed: u64) -> Self {
        let me = Peer {
            generation: config.generation,
            incarnation: 0,
            state: State::Alive,
            reason: None,
            meta_version: 1,
            meta: Arc::new(config.meta),
            rtt: None,
            told_at: None,
        };
        let mut core = Self {
            id: config.id,
            cluster: packet::cluster_hash(&config.cluster),
            tuning: config.profile.tuning(),
            rng: StdRng::seed_from_u64(seed),
            now: Duration::ZERO,
            me,
            table: Table::default(),
            timers: Timers::default(),
            queue: Queue::default(),
            probing: Probing::default(),
            joining: Joining::new(config.seeds),
            leaving: false,
            superseded: false,
            changed: false,
            out: Vec::new(),
        };
        core.schedule();
        core
    }

    /// The first rounds come at random moments, so that nodes started together do not act together.
    fn schedule(&mut self) {
        self.queue.push(self.id);
        self.timers.set(Timer::Join, Duration::ZERO);
        let rounds = [
            (Timer::Probe, self.tuning.probe_interval),
            (Timer::Gossip, self.tuning.gossip_interval),
            (Timer::Sync, self.tuning.sync_interval),
            (Timer::Reconnect, self.tuning.reconnect_interval),
        ];
        for (timer, interval) in rounds {
            let phase = interval.mul_f64(self.rng.random());
            self.timers.set(timer, phase);
        }
    }

    /// Takes one input in. `now` must not go back; if it does, the earlier time is kept.
    pub fn on(&mut self, input: Input, now: Duration, out: &mut Vec<Effect>) {
        self.now = self.now.max(now);
        match input {
            Input::Packet { from, bytes } => self.on_packet(from, &bytes),
            Input::Timer => self.on_timers(),
            Input::Meta(meta) => self.set_meta(*meta),
            Input::Seeds(seeds) => self.set_seeds(seeds),
            Input::Leave(reason) => self.leave(reason),
            Input::Evidence(id, Evidence::RpcOk) => self.on_contact(id),
            Input::Evidence(id, Evidence::RpcFail) => self.start_probe(id),
        }
        out.append(&mut self.out);
    }

    /// When it wants [`Input::Timer`].
    pub fn next_deadline(&self) -> Duration {
        self.timers.next().unwrap_or(self.now + self.tuning.reconnect_interval)
    }

    /// The view with this node in it, sorted by id.
    pub fn members(&self) -> Vec<Member> {
        let mut members: Vec<_> = self.table.iter().map(|(id, peer)| peer.member(id)).collect();
        let at = members.partition_point(|member| member.id < self.id);
        members.insert(at, self.me.member(self.id));
        members
    }

    /// Has the view changed since the last time this was asked?
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The goodbye was told as often as any news, or there is nobody to tell.
    pub fn is_goodbye_spread(&self) -> bool {
        self.leaving && (!self.queue.contains(self.id) || self.table.live().next().is_none())
    }

    fn on_packet(&mut self, from: SocketAddr, bytes: &[u8]) {
        match packet::open(bytes, self.cluster) {
            Ok((envelope, records)) => self.on_envelope(from, envelope, records),
            Err(refusal) => self.drop_packet(refusal),
        }
    }

    fn drop_packet(&mut self, refusal: Refusal) {
        self.out.push(Effect::Dropped(refusal));
    }

    fn on_envelope(&mut self, from: SocketAddr, envelope: Envelope, records: Records<'_>) {
        if envelope.from == self.id {
            return self.drop_packet(Refusal::Own);
        }
        let softly = matches!(envelope.message, Message::Sync { .. });
        for record in records {
            match record {
                Ok(record) => self.learn(record, softly),
                Err(refusal) => self.drop_packet(refusal),
            }
        }
        self.on_message(from, &envelope);
        self.correct_sender(from, &envelope);
    }

    fn on_message(&mut self, from: SocketAddr, envelope: &Envelope) {
        match envelope.message {
            Message::Ping { seq, to } => self.on_ping(from, envelope, (seq, to)),
            Message::Ack { seq, about, generation, stranger: false } => self.on_ack(seq, (about, generation)),
            Message::Ack { seq, about, generation, stranger: true } => {
                self.on_ack_of_stranger(from, seq, (about, generation))
            }
            Message::PingReq { seq, target } => self.on_ping_req(from, seq, target),
            Message::Gossip {} => (),
            Message::Sync { want } => self.on_sync(from, want),
        }
    }

    fn on_timers(&mut self) {
        while let Some((due, timer)) = self.timers.pop(self.now) {
            match timer.judges() && self.is_late(due) {
                true => self.timers.set(timer, self.now + self.tuning.probe_interval),
                false => self.on_timer(timer),
            }
        }
    }

    /// This process was stalled: answers may lie unread, so nobody is judged until they had a chance to be read.
    fn is_late(&self, due: Duration) -> bool {
        self.now.saturating_sub(due) > self.tuning.probe_timeout
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Probe => self.probe_round(),
            Timer::ProbeIndirect(seq) => self.probe_indirectly(seq),
            Timer::ProbeEnd(seq) => self.end_probe(seq),
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
        self.table.live().count() + 1
    }

    /// Up to `most` random live members that pass.
    fn some_live(&mut self, most: usize, pass: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        let mut ids: Vec<_> = self.table.live().map(|(id, _)| id).filter(|id| pass(*id)).collect();
        let most = most.min(ids.len());
        for at in 0..most {
            let other = self.rng.random_range(at..ids.len());
            ids.swap(at, other);
        }
        ids.truncate(most);
        ids
    }
}

#[cfg(test)]
mod sim_test;
