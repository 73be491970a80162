//! The core with what is around it: frames are opened and made here, one arrival at a time, under one lock.

use std::net::SocketAddr;
use std::time::Duration;

use muster_wire::NodeId;

use crate::body::Refusal;
use crate::core::{Core, Effect, Input, Target};
use crate::driver::count_dropped;
use crate::frame::{Envelope, Framer, KeyRing};
use crate::gate::Gate;
use crate::model::{Event, Member};
use crate::resolve::Outbox;
use crate::streams::Dial;

/// What comes in.
pub(crate) enum Arrival {
    /// A packet, not opened yet.
    Packet { at: SocketAddr, from: Target, bytes: Vec<u8> },
    /// Anything else.
    Input(Input),
}

pub(crate) struct Engine {
    core: Core,
    framer: Framer,
    gate: Gate,
    /// `None` once the detector has stopped, so that the port is free again.
    outbox: Option<Outbox>,
}

/// What has to be done outside the lock.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Event>,
    /// The view, if it has changed.
    pub(crate) members: Option<Vec<Member>>,
    /// Answers on streams.
    pub(crate) replies: Vec<(u64, Vec<u8>)>,
    pub(crate) dials: Vec<Dial>,
    pub(crate) is_goodbye_spread: bool,
}

impl Engine {
    pub(crate) fn new(core: Core, framer: Framer, outbox: Outbox) -> Self {
        Self { core, framer, gate: Gate::default(), outbox: Some(outbox) }
    }

    pub(crate) fn outbox(&self) -> Option<&Outbox> {
        self.outbox.as_ref()
    }

    /// Frees the socket.
    pub(crate) fn stop(&mut self) {
        self.outbox = None;
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    pub(crate) fn set_keys(&mut self, keys: KeyRing) {
        self.framer.set_keys(keys);
    }

    /// Takes arrivals in, sends what can be sent at once, and gives the rest.
    pub(crate) fn feed(&mut self, arrivals: impl IntoIterator<Item = Arrival>, now: Duration) -> Outcome {
        let mut effects = Vec::new();
        for arrival in arrivals {
            match self.admit(arrival, now) {
                Ok(input) => self.core.on(input, now, &mut effects),
                Err(refusal) => count_dropped(refusal.name()),
            }
        }
        let mut outcome = Outcome::default();
        effects.into_iter().for_each(|effect| self.carry_out(effect, &mut outcome));
        outcome.is_goodbye_spread = self.core.is_goodbye_spread();
        let is_changed = self.core.take_changed() | !outcome.events.is_empty();
        outcome.members = is_changed.then(|| self.core.members());
        outcome
    }

    fn admit(&mut self, arrival: Arrival, now: Duration) -> Result<Input, Refusal> {
        let (at, from, bytes) = match arrival {
            Arrival::Input(input) => return Ok(input),
            Arrival::Packet { at, from, bytes } => (at, from, bytes),
        };
        if !self.gate.lets_in(at.ip(), now) {
            return Err(Refusal::Busy);
        }
        let core = &self.core;
        let (sender, body) = self.framer.unwrap(&bytes, |alias| core.by_alias(alias))?;
        Ok(Input::Packet { from, sender, body })
    }

    fn carry_out(&mut self, effect: Effect, outcome: &mut Outcome) {
        match effect {
            Effect::Emit(event) => outcome.events.push(event),
            Effect::Send { to, envelope, body } => self.send(to, (envelope, &body), outcome),
            Effect::Dial { name, to, body } => outcome.dials.push(self.dial(name, to, &body)),
            Effect::Dropped(why) => count_dropped(why.name()),
        }
    }

    fn send(&mut self, to: Target, (envelope, body): (Envelope, &[u8]), outcome: &mut Outcome) {
        let bytes = self.framer.wrap(envelope, body);
        match (to, &self.outbox) {
            (Target::Stream(stream), _) => outcome.replies.push((stream, bytes)),
            (to, Some(outbox)) => outbox.send(to, bytes),
            (_, None) => (),
        }
    }

    /// Over a stream the header is always said in full.
    fn dial(&mut self, name: String, to: NodeId, body: &[u8]) -> Dial {
        Dial { name, to, bytes: self.framer.wrap(Envelope { to: Some(to), is_short: false }, body) }
    }
}
