//! The ten properties, each on a hundred seeds. A failure names its seed: give it to the function to see it again.

use std::collections::BTreeMap;

use muster_wire::{Generation, NodeId};

use super::*;
use crate::body::{Message, Record, Writer};
use crate::core::{Input, MEMBERS_MAX, Target};
use crate::frame::{BODY_BYTES_MAX, Sender};
use crate::model::Event;
use crate::tuning::{Profile, Tuning};

const SEEDS: std::ops::Range<u64> = 0..100;
const LAN: Tuning = Profile::Lan.tuning();

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Says which seed failed, whatever the check panics with.
struct Seed(&'static str, u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: FAILED with seed {}", self.0, self.1);
        }
    }
}

fn each_seed(name: &'static str, check: impl Fn(u64)) {
    for seed in SEEDS {
        let _seed = Seed(name, seed);
        check(seed);
    }
}

/// Mostly small clusters, where few can help; some of thirty, one of a hundred.
fn size_for(seed: u64) -> Place {
    match (seed, seed % 10) {
        (0, _) => 100,
        (_, 0) => 30,
        (_, other) => 3 + other as Place,
    }
}

fn node(world: &mut World<Ours>, place: Place, generation: u64) -> Ours {
    let setup = Setup { place, generation, seeds: vec![1, 2, 3], tuning: LAN };
    Ours::new(&setup, (world.draw(), world.now))
}

/// A cluster that has been whole for a while.
fn cluster(seed: u64, size: Place) -> World<Ours> {
    let mut world = World::new(seed);
    let mut nodes: Vec<_> = (1..=size).map(|place| node(&mut world, place, 1)).collect();
    let records: Vec<_> = nodes.iter().map(Ours::own_record).collect();
    for (at, node) in nodes.iter_mut().enumerate() {
        node.core.preload(
            records.iter().enumerate().filter(|(of, _)| *of != at).map(|(_, record)| record.clone()),
        );
    }
    (1..=size).zip(nodes).for_each(|(place, node)| world.start(place, node));
    world.run(secs(2.0));
    world
}

fn deaths(world: &World<Ours>) -> Vec<(Place, Event)> {
    let all = world
        .nodes
        .iter()
        .flat_map(|(place, node)| node.events.iter().map(|(_, event)| (*place, event.clone())));
    all.filter(|(_, event)| matches!(event, Event::Dead { .. } | Event::SelfDead { .. })).collect()
}

/// Everything that may go wrong, at random, for a minute.
struct Storm {
    world: World<Ours>,
    size: Place,
    generations: BTreeMap<Place, u64>,
    /// The highest incarnation that a process has had.
    highest: BTreeMap<(NodeId, Generation), u32>,
    /// What each node has believed of each process: (incarnation, state) only goes up.
    held: BTreeMap<(Place, u64, NodeId, Generation), (u32, State)>,
    lives: BTreeMap<Place, u64>,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let size = 3 + (seed % 8) as Place;
        let mut world = cluster(seed, size);
        world.net.loss = world.rng.random_range(0.0..0.3);
        world.net.twice = world.rng.random_range(0.0..0.2);
        world.net.overtaken = world.rng.random_range(0.0..0.2);
        let generations = (1..=size).map(|place| (place, 1)).collect();
        let (highest, held, lives) = Default::default();
        Self { world, size, generations, highest, held, lives }
    }

    fn blow(&mut self) {
        let place = self.world.rng.random_range(1..=self.size);
        let other = self.world.rng.random_range(1..=self.size);
        let until = self.world.now + secs(self.world.rng.random_range(0.1..8.0));
        let node = self.world.nodes.get_mut(&place);
        match (self.world.rng.random_range(0..9), node) {
            (0, _) => self.world.crash(place),
            (1, _) => self.restart(place, 1),
            (2, _) => self.restart(place, 0),
            (3, Some(node)) => node.deaf_until = until,
            (4, Some(node)) => node.frozen_until = until,
            (5, Some(node)) => (node.deaf_until, node.frozen_until) = (until, until),
            (6, _) => drop(self.world.net.cut.insert((place, other))),
            (7, _) => self.world.net.cut.clear(),
            (8, _) => self.world.net.mtu = if self.world.net.mtu == 0 { 400 } else { 0 },
            _ => (),
        }
    }

    /// With the next generation, or with the same one and without its incarnation.
    fn restart(&mut self, place: Place, by: u64) {
        let generation = self.generations[&place] + by;
        self.generations.insert(place, generation);
        *self.lives.entry(place).or_default() += 1;
        let node = node(&mut self.world, place, generation);
        self.world.start(place, node);
    }

    fn rage(&mut self, mut check: impl FnMut(&mut Self)) {
        for _ in 0..30 {
            self.blow();
            for _ in 0..20 {
                self.world.run(secs(0.1));
                check(self);
            }
        }
    }

    fn calm(&mut self) {
        self.world.net = Net::default();
        let gone: Vec<_> = (1..=self.size).filter(|place| !self.world.nodes.contains_key(place)).collect();
        gone.into_iter().for_each(|place| self.restart(place, 1));
        for node in self.world.nodes.values_mut() {
            (node.deaf_until, node.frozen_until) = (Duration::ZERO, Duration::ZERO);
        }
        let places: Vec<_> = self.world.nodes.keys().copied().collect();
        places.into_iter().for_each(|place| self.world.act(place, |_, _, _| ()));
    }

    fn members(&self) -> Vec<(Place, NodeId, crate::model::Member)> {
        let views = self.world.nodes.iter().map(|(place, node)| (*place, node.protocol.core.members()));
        views
            .flat_map(|(place, view)| view.into_iter().map(move |member| (place, member.id, member)))
            .collect()
    }
}

#[test]
fn property_1_a_crashed_node_is_dead_at_every_live_node_within_the_bound() {
    each_seed("property 1", |seed| {
        let size = size_for(seed);
        let mut world = cluster(seed, size);
        world.net.loss = [0.0, 0.1, 0.3][seed as usize % 3];
        world.crash(size);
        // the longest suspicion, and a round in which everybody is asked
        let bound = LAN.suspicion(size as usize).as_secs_f64() * 6.0 + f64::from(size) * 0.5 + 2.0;
        let known = world.until(secs(bound), |world| world.all_believe(size, State::Dead));
        assert!(known.is_some(), "not within {bound} s");
    });
}

#[test]
fn property_2_no_live_node_is_declared_dead_up_to_ten_percent_loss() {
    each_seed("property 2", |seed| {
        let mut world = cluster(seed, size_for(seed));
        world.net.loss = [0.0, 0.05, 0.1][seed as usize % 3];
        (world.net.twice, world.net.overtaken) = (0.05, 0.05);
        world.run(secs(120.0));
        assert_eq!(deaths(&world), []);
    });
}

#[test]
fn property_3_only_its_owner_raises_an_incarnation() {
    each_seed("property 3", |seed| {
        let mut storm = Storm::new(seed);
        storm.rage(|storm| {
            for (place, of, member) in storm.members() {
                let key = (of, member.generation);
                if of == node_id(place) {
                    let highest = storm.highest.entry(key).or_default();
                    *highest = (*highest).max(member.incarnation);
                }
            }
            for (place, of, member) in storm.members() {
                let highest = storm.highest.get(&(of, member.generation)).copied().unwrap_or_default();
                assert!(
                    member.incarnation <= highest,
                    "{place} holds {member:?}, its owner was at {highest}"
                );
            }
        });
    });
}

#[test]
fn property_4_a_belief_about_a_process_only_moves_up() {
    each_seed("property 4", |seed| {
        let mut storm = Storm::new(seed);
        storm.rage(|storm| {
            for (place, of, member) in
                storm.members().into_iter().filter(|(place, of, _)| node_id(*place) != *of)
            {
                let life = storm.lives.get(&place).copied().unwrap_or_default();
                let now = (member.incarnation, member.state);
                let before = storm.held.insert((place, life, of, member.generation), now);
                assert!(before.is_none_or(|before| before <= now), "{place}: {before:?} -> {member:?}");
            }
        });
    });
}

#[test]
fn property_5_after_the_faults_all_views_become_one() {
    each_seed("property 5", |seed| {
        let mut storm = Storm::new(seed);
        storm.rage(|_| ());
        storm.calm();
        let size = storm.size;
        let whole = storm.world.until(secs(60.0), |world| world.is_whole(1..=size));
        assert!(whole.is_some(), "not whole a minute after the last fault");
        storm.world.run(secs(60.0));
        let views = storm.world.nodes.values().map(|node| view(&node.protocol));
        assert!(
            views.clone().all(|one| Some(one) == views.clone().next()),
            "{:?}",
            views.collect::<Vec<_>>()
        );
    });
}

fn view(node: &Ours) -> Vec<(NodeId, Generation, u32, State, u32)> {
    let members = node.core.members().into_iter();
    members.map(|it| (it.id, it.generation, it.incarnation, it.state, it.meta_version)).collect()
}

#[test]
fn property_6_the_events_of_a_process_come_in_a_legal_order() {
    each_seed("property 6", |seed| {
        let mut storm = Storm::new(seed);
        storm.rage(|_| ());
        storm.calm();
        storm.world.run(secs(20.0));
        let gone = storm.world.past.iter().filter(|(_, events)| !events.is_empty());
        let now = storm.world.nodes.iter().map(|(place, node)| (*place, &node.events));
        for (place, events) in gone.map(|(place, events)| (*place, events)).chain(now) {
            check_order(place, events);
        }
    });
}

fn check_order(place: Place, events: &[(Duration, Event)]) {
    // the cluster began with everybody in view
    let mut told: BTreeMap<NodeId, (Generation, State, u32)> = BTreeMap::new();
    for (at, event) in events {
        let fault = format!("{place} at {at:?}: {event:?} after {told:?}");
        let Some(id) = event.subject().filter(|id| *id != node_id(place)) else { continue };
        let before = told.get(&id).copied();
        let is = |states: &[State], generation: Generation| {
            before.is_none_or(|(g, state, _)| g == generation && states.contains(&state))
        };
        let version = before.map_or(1, |(_, _, version)| version);
        let after = match event {
            Event::Join { member, .. } => {
                let legal = before.is_none_or(|(g, state, _)| !state.is_live() && member.generation >= g);
                assert!(legal, "{fault}");
                (member.generation, State::Alive, member.meta_version)
            }
            Event::Suspect { generation, .. } => {
                assert!(is(&[State::Alive], *generation), "{fault}");
                (*generation, State::Suspect, version)
            }
            Event::Alive { generation, .. } => {
                assert!(is(&[State::Suspect], *generation), "{fault}");
                (*generation, State::Alive, version)
            }
            Event::Leave { generation, .. } => {
                assert!(is(&[State::Alive, State::Suspect], *generation), "{fault}");
                (*generation, State::Left, version)
            }
            Event::Dead { generation, .. } => {
                assert!(is(&[State::Alive, State::Suspect], *generation), "{fault}");
                (*generation, State::Dead, version)
            }
            Event::Update { member, previous } => {
                assert!(member.meta_version > *previous && *previous == version, "{fault}");
                (member.generation, member.state, member.meta_version)
            }
            _ => continue,
        };
        told.insert(id, after);
    }
}

#[test]
fn property_7_no_packet_is_longer_than_the_largest() {
    each_seed("property 7", |seed| {
        let mut storm = Storm::new(seed);
        storm.rage(|storm| {
            let longest = storm.world.nodes.values().map(|node| node.protocol.longest).max();
            assert!(longest.unwrap_or_default() <= BODY_BYTES_MAX, "{longest:?}");
        });
    });
}

/// A packet of an insider who makes everything up.
fn forged(world: &mut World<Ours>) -> Input {
    let of = world.rng.random_range(0..1_u128 << 40);
    let state = State::ALL[world.rng.random_range(0..4)];
    let meta = Some(Arc::new(crate::model::Meta { name: "x".repeat(100), ..Default::default() }));
    let record = Record {
        id: NodeId(of),
        generation: Generation(world.rng.random_range(0..4)),
        incarnation: world.rng.random(),
        state,
        meta_version: world.rng.random(),
        by: Some(NodeId(world.rng.random())),
        reason: None,
        meta,
    };
    let seq = world.rng.random_range(0..1000);
    let message = match world.rng.random_range(0..6) {
        0 => Message::Ping { seq },
        1 => Message::PingReq { seq, target: node_id(world.rng.random_range(1..5)) },
        2 => Message::Ack { seq, stranger: true },
        3 => Message::Differ { buckets: 1, mask: 1, proof: seq },
        4 => Message::View,
        _ => Message::Gossip,
    };
    let mut writer = Writer::new(&message);
    writer.push(&record);
    let sender = Sender { id: NodeId(of ^ 1), generation: Generation(1) };
    Input::Packet { from: Target::Address(address(77)), sender, body: writer.finish() }
}

#[test]
fn property_8_forged_traffic_at_ten_times_the_clusters_fills_nothing_without_bound() {
    each_seed("property 8", |seed| {
        let mut world = cluster(seed, 4);
        // ten times what a node of this cluster gets: forty packets a second
        for _ in 0..400 {
            let input = forged(&mut world);
            world.act(1, |node, now, out| node.input(input, now, out));
            world.run(secs(0.0025));
        }
        let (members, pending) = world.nodes[&1].protocol.core.load();
        assert!(members <= MEMBERS_MAX && pending <= 3 * members + 3 * 1024 + 200, "{members} {pending}");
        let real = deaths(&world).into_iter().filter(|(_, event)| event.subject() == Some(node_id(2)));
        assert_eq!(real.collect::<Vec<_>>(), []);
    });
}

#[test]
fn property_9_a_packet_that_comes_again_changes_nothing() {
    each_seed("property 9", |seed| {
        let size = 3 + (seed % 6) as Place;
        let mut world = cluster(seed, size);
        world.recorded = Some(Vec::new());
        world.net.loss = 0.2;
        world.crash(size);
        world.run(secs(40.0));
        let again = node(&mut world, size, 2);
        world.start(size, again);
        world.net.loss = 0.0;
        world.run(secs(40.0));
        let before: Vec<_> = world.nodes.values().map(|node| view(&node.protocol)).collect();
        let told: Vec<_> = world.nodes.values().map(changes).collect();
        let recorded = world.recorded.take().unwrap_or_default();
        for packet in recorded {
            world.replay(packet);
            world.run(secs(0.005));
        }
        world.run(secs(2.0));
        assert_eq!(world.nodes.values().map(changes).collect::<Vec<_>>(), told);
        assert_eq!(world.nodes.values().map(|node| view(&node.protocol)).collect::<Vec<_>>(), before);
    });
}

/// Events about others; how well the node is may change.
fn changes(node: &Node<Ours>) -> usize {
    node.events.iter().filter(|(_, event)| event.subject().is_some()).count()
}

#[test]
fn property_10_the_same_seed_makes_the_same_run() {
    let run = |seed: u64| {
        let mut storm = Storm::new(seed);
        storm.rage(|_| ());
        (storm.world.trace(), storm.world.bytes)
    };
    each_seed("property 10", |seed| assert_eq!(run(seed), run(seed)));
    assert_ne!(run(1), run(9));
}

#[test]
fn a_thousand_nodes_learn_of_a_death_and_of_a_goodbye() {
    let mut world = cluster(7, 1000);
    world.net.loss = 0.1;
    world.crash(1000);
    world.leave(999);
    let left = world.until(secs(5.0), |world| {
        world.nodes.keys().all(|at| *at == 999 || world.belief(*at, 999) == Some(State::Left))
    });
    assert!(left.is_some());
    let known = world.until(secs(20.0), |world| {
        world.nodes.keys().all(|at| *at == 999 || world.belief(*at, 1000) == Some(State::Dead))
    });
    assert!(known.is_some());
    world.crash(999);
    let wrong = deaths(&world).into_iter().filter(|(_, event)| event.subject() != Some(node_id(1000)));
    assert_eq!(wrong.collect::<Vec<_>>(), []);
}
