//! The project's own protocol in the simulation.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use muster_wire::{Generation, NodeId};

use crate::config::Config;
use crate::core::{Core, Effect, Input, Target};
use crate::frame::{BODY_BYTES_MAX, Envelope, KeyRing, Sender};
use crate::model::{Event, Evidence, LeaveReason, Meta, State};
use crate::tuning::{Profile, Tuning};

use super::{Out, Place, Protocol, Way};

/// Where a node listens.
pub fn address(place: Place) -> SocketAddr {
    SocketAddr::from(([10, 0, (place >> 8) as u8, place as u8], 7402))
}

/// A node's id.
pub fn node_id(place: Place) -> NodeId {
    NodeId(u128::from(place))
}

fn place_of(address: SocketAddr) -> Place {
    match address {
        SocketAddr::V4(address) => u32::from_be_bytes(address.ip().octets()) & 0xffff,
        SocketAddr::V6(_) => 0,
    }
}

/// How a node is started.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its place.
    pub place: Place,
    /// Its process.
    pub generation: u64,
    /// Nodes to join through.
    pub seeds: Vec<Place>,
    /// Its figures.
    pub tuning: Tuning,
}

impl Setup {
    /// The configuration that it stands for.
    pub fn config(&self) -> Config {
        Config {
            id: node_id(self.place),
            generation: Generation(self.generation),
            cluster: "sim".into(),
            listen: address(self.place),
            seeds: self.seeds.iter().map(|seed| address(*seed).to_string()).collect(),
            meta: Meta {
                swim: address(self.place).to_string(),
                name: format!("n{}", self.place),
                dc: "dc1".into(),
                version: "0.1.0".into(),
                ..Meta::default()
            },
            profile: Profile::Lan,
            keys: KeyRing::default(),
        }
    }
}

/// One node of ours.
pub struct Ours {
    /// The core itself.
    pub core: Core,
    /// The largest body that it has sent.
    pub longest: usize,
    sender: Sender,
}

impl Ours {
    /// A node with its own seed.
    pub fn new(setup: &Setup, (seed, now): (u64, Duration)) -> Self {
        let config = setup.config();
        let sender = Sender { id: config.id, generation: config.generation };
        let mut core = Core::new(&config, (seed, now));
        core.on(Input::Tuning(setup.tuning), now, &mut Vec::new());
        Self { core, longest: 0, sender }
    }

    /// What it says about itself, for [`Core::preload`] of others.
    pub fn own_record(&self) -> crate::body::Record {
        self.core.own_record()
    }

    /// An input with its effects.
    pub fn input(&mut self, input: Input, now: Duration, out: &mut Vec<Out<Event>>) {
        let mut effects = Vec::new();
        self.core.on(input, now, &mut effects);
        out.extend(effects.into_iter().filter_map(|effect| self.translate(effect)));
    }

    fn translate(&mut self, effect: Effect) -> Option<Out<Event>> {
        match effect {
            Effect::Send { to, envelope, body } => self.send(&to, envelope, body),
            Effect::Dial { name, body, .. } => {
                let to = place_of(name.parse().ok()?);
                Some(Out::Dial { to, body: self.stamped(&body) })
            }
            Effect::Emit(event) => Some(Out::Event(event)),
            Effect::Dropped(_) => None,
        }
    }

    fn send(&mut self, to: &Target, envelope: Envelope, body: Arc<[u8]>) -> Option<Out<Event>> {
        self.longest = self.longest.max(body.len());
        debug_assert!(body.len() <= BODY_BYTES_MAX);
        let bytes = envelope.sealed_bytes() + body.len();
        let stamped = self.stamped(&body);
        let to = match to {
            Target::Stream(_) => return Some(Out::Answer { body: stamped }),
            Target::Address(address) => place_of(*address),
            Target::Name(name) => place_of(name.parse().ok()?),
        };
        Some(Out::Send { to, body: stamped, bytes })
    }

    /// What a frame says of the sender, without its cryptography.
    fn stamped(&self, body: &[u8]) -> Arc<[u8]> {
        let stamp = [&self.sender.id.0.to_be_bytes()[..], &self.sender.generation.0.to_be_bytes()[..], body];
        stamp.concat().into()
    }
}

/// A packet as [`Ours`] sends them.
fn read(bytes: &[u8]) -> Option<(Sender, Vec<u8>)> {
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    let (generation, body) = rest.split_first_chunk::<8>()?;
    let sender = Sender {
        id: NodeId(u128::from_be_bytes(*id)),
        generation: Generation(u64::from_be_bytes(*generation)),
    };
    Some((sender, body.to_vec()))
}

impl Protocol for Ours {
    type Event = Event;

    fn packet(&mut self, (from, way, body): (Place, Way, &[u8]), now: Duration, out: &mut Vec<Out<Event>>) {
        let Some((sender, body)) = read(body) else { return };
        let from = match way {
            Way::Datagram => Target::Address(address(from)),
            Way::Question | Way::Answer => Target::Stream(0),
        };
        self.input(Input::Packet { from, sender, body }, now, out);
    }

    fn timer(&mut self, now: Duration, out: &mut Vec<Out<Event>>) {
        self.input(Input::Timer, now, out);
    }

    fn deadline(&self) -> Duration {
        self.core.next_deadline()
    }

    fn leave(&mut self, now: Duration, out: &mut Vec<Out<Event>>) {
        self.input(Input::Leave(LeaveReason::Drain), now, out);
    }

    fn refused(&mut self, of: Place, now: Duration, out: &mut Vec<Out<Event>>) {
        self.input(Input::Evidence(node_id(of), Evidence::Refused), now, out);
    }

    fn belief(&self, of: Place) -> Option<State> {
        self.core.member(node_id(of)).map(|member| member.state)
    }
}
