//! foca 2.0 in the simulation, with its own LAN figures.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::time::Duration;

use foca::{
    AccumulatingRuntime, Config, Foca, Identity, NoCustomBroadcast, OwnedNotification, PostcardCodec, Timer,
};
use muster_swim::State;
use muster_swim::sim::{Out, Place, Protocol, Way};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

/// A place, and how often it has renewed itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id {
    place: Place,
    /// As long as a node id, so that packets compare.
    filler: [u64; 2],
    life: u32,
}

impl Identity for Id {
    type Addr = Place;

    fn renew(&self) -> Option<Self> {
        Some(Self { life: self.life + 1, ..self.clone() })
    }

    fn addr(&self) -> Place {
        self.place
    }

    fn win_addr_conflict(&self, other: &Self) -> bool {
        self.life > other.life
    }
}

pub fn id(place: Place) -> Id {
    Id { place, filler: [u64::MAX; 2], life: 1 }
}

/// What is told of another place: up or down.
pub struct Told {
    pub place: Place,
    pub is_down: bool,
}

pub struct FocaNode {
    foca: Foca<Id, PostcardCodec, StdRng, NoCustomBroadcast>,
    runtime: AccumulatingRuntime<Id>,
    timers: BinaryHeap<Reverse<(Duration, u64)>>,
    waiting: std::collections::HashMap<u64, Timer<Id>>,
    set: u64,
}

impl FocaNode {
    pub fn new(place: Place, size: u32, seed: u64) -> Self {
        let config = Config::new_lan(NonZeroU32::new(size).unwrap());
        Self {
            foca: Foca::new(id(place), config, StdRng::seed_from_u64(seed), PostcardCodec),
            runtime: AccumulatingRuntime::new(),
            timers: BinaryHeap::new(),
            waiting: Default::default(),
            set: 0,
        }
    }

    /// Everybody is known from the beginning.
    pub fn preload(&mut self, size: Place) {
        let me = self.foca.identity().place;
        let others = (1..=size).filter(|place| *place != me).map(|place| foca::Member::alive(id(place)));
        self.foca.apply_many(others, true, &mut self.runtime).unwrap();
    }

    /// A node that was just loaded has timers to take over; one that has fallen out of the cluster has none.
    fn idle(&self) -> Duration {
        match self.set {
            0 => Duration::ZERO,
            _ => Duration::from_secs(1_000_000_000),
        }
    }

    fn drain(&mut self, now: Duration, out: &mut Vec<Out<Told>>) {
        while let Some((to, data)) = self.runtime.to_send() {
            let bytes = data.len();
            out.push(Out::Send { to: to.place, body: data.to_vec().into(), bytes });
        }
        while let Some((after, timer)) = self.runtime.to_schedule() {
            self.set += 1;
            self.timers.push(Reverse((now + after, self.set)));
            self.waiting.insert(self.set, timer);
        }
        while let Some(told) = self.runtime.to_notify() {
            match told {
                OwnedNotification::MemberDown(id) => {
                    out.push(Out::Event(Told { place: id.place, is_down: true }))
                }
                OwnedNotification::MemberUp(id) => {
                    out.push(Out::Event(Told { place: id.place, is_down: false }))
                }
                _ => (),
            }
        }
    }
}

impl Protocol for FocaNode {
    type Event = Told;

    fn packet(&mut self, (_, _, body): (Place, Way, &[u8]), now: Duration, out: &mut Vec<Out<Told>>) {
        let _ = self.foca.handle_data(body, &mut self.runtime);
        self.drain(now, out);
    }

    fn timer(&mut self, now: Duration, out: &mut Vec<Out<Told>>) {
        while let Some(Reverse((at, set))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            let timer = self.waiting.remove(&set).unwrap();
            let _ = self.foca.handle_timer(timer, &mut self.runtime);
            self.drain(now, out);
        }
        self.drain(now, out);
    }

    fn deadline(&self) -> Duration {
        self.timers.peek().map_or(self.idle(), |Reverse((at, _))| *at)
    }

    fn leave(&mut self, now: Duration, out: &mut Vec<Out<Told>>) {
        let _ = self.foca.leave_cluster(&mut self.runtime);
        self.drain(now, out);
    }

    fn refused(&mut self, _: Place, _: Duration, _: &mut Vec<Out<Told>>) {}

    fn belief(&self, of: Place) -> Option<State> {
        let member = self.foca.iter_membership_state().find(|member| member.id().place == of)?;
        Some(match member.state() {
            foca::State::Alive => State::Alive,
            foca::State::Suspect => State::Suspect,
            foca::State::Down => State::Dead,
        })
    }
}
