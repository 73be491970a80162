//! What is compared: ours in its fast profile, the Lifeguard model with memberlist's LAN figures, and foca.

use std::time::Duration;

use muster_swim::sim::{Ours, Place, Protocol, Setup, World};
use muster_swim::{Event, Profile, State, Tuning};

use crate::foca_node::{FocaNode, Told};

/// A protocol with its figures.
pub trait Subject {
    type Node: Protocol;
    const NAME: &'static str;
    /// One node that knows all others.
    fn node(world: &mut World<Self::Node>, place: Place, size: Place) -> Self::Node;
    /// Told dead or gone, if the event says so.
    fn death(event: &<Self::Node as Protocol>::Event) -> Option<Place>;

    /// A cluster that has been whole for a while.
    fn cluster(seed: u64, size: Place) -> World<Self::Node> {
        let mut world = World::new(seed);
        for place in 1..=size {
            let node = Self::node(&mut world, place, size);
            world.start(place, node);
        }
        world.run(Duration::from_secs(2));
        world
    }
}

fn ours(world: &mut World<Ours>, (place, size): (Place, Place), tuning: Tuning) -> Ours {
    let setup = |place| Setup { place, generation: 1, seeds: vec![1, 2, 3], tuning };
    let mut node = Ours::new(&setup(place), (world.draw(), world.now));
    node.core.preload(RECORDS.with(|records| {
        let mut records = records.borrow_mut();
        for known in records.len() as Place + 1..=size {
            records.push(Ours::new(&setup(known), (0, Duration::ZERO)).own_record());
        }
        records[..size as usize]
            .iter()
            .enumerate()
            .filter(|(at, _)| *at as Place + 1 != place)
            .map(|(_, r)| r.clone())
            .collect::<Vec<_>>()
    }));
    node
}

thread_local! {
    static RECORDS: std::cell::RefCell<Vec<muster_swim::body::Record>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn place_of(id: muster_wire::NodeId) -> Place {
    id.0 as Place
}

fn our_death(event: &Event) -> Option<Place> {
    match event {
        Event::Dead { id, .. } => Some(place_of(*id)),
        _ => None,
    }
}

pub struct Fast;

impl Subject for Fast {
    type Node = Ours;
    const NAME: &'static str = "muster lan";

    fn node(world: &mut World<Ours>, place: Place, size: Place) -> Ours {
        ours(world, (place, size), Profile::Lan.tuning())
    }

    fn death(event: &Event) -> Option<Place> {
        our_death(event)
    }
}

pub struct Slow;

impl Subject for Slow {
    type Node = Ours;
    const NAME: &'static str = "muster default";

    fn node(world: &mut World<Ours>, place: Place, size: Place) -> Ours {
        ours(world, (place, size), Profile::Default.tuning())
    }

    fn death(event: &Event) -> Option<Place> {
        our_death(event)
    }
}

pub struct Lifeguard;

impl Subject for Lifeguard {
    type Node = Ours;
    const NAME: &'static str = "lifeguard lan";

    fn node(world: &mut World<Ours>, place: Place, size: Place) -> Ours {
        ours(world, (place, size), Tuning::LIFEGUARD_LAN)
    }

    fn death(event: &Event) -> Option<Place> {
        our_death(event)
    }
}

pub struct Foca;

impl Subject for Foca {
    type Node = FocaNode;
    const NAME: &'static str = "foca 2.0 lan";

    fn node(world: &mut World<FocaNode>, place: Place, size: Place) -> FocaNode {
        let mut node = FocaNode::new(place, size, world.draw());
        node.preload(size);
        node
    }

    fn death(told: &Told) -> Option<Place> {
        told.is_down.then_some(told.place)
    }
}

/// Alive or suspect.
pub fn is_active(state: Option<State>) -> bool {
    matches!(state, Some(State::Alive | State::Suspect))
}
