//! The protocol in a simulated network: virtual time, seeded loss and delay, partitions, crashes and restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use muster_wire::{Generation, NodeId};

use super::{Core, Effect, Input, Target};
use crate::config::{Config, Profile};
use crate::model::{Event, Evidence, LeaveReason, Member, Meta, State};
use crate::packet::{Envelope, Message, PACKET_BYTES_MAX, Record, Writer, cluster_hash};

const CLUSTER: &str = "sim";

fn address(node: u32) -> SocketAddr {
    SocketAddr::from(([10, 0, (node >> 8) as u8, node as u8], 7402))
}

fn id(node: u32) -> NodeId {
    NodeId(u128::from(node))
}

fn config(node: u32, generation: u64, seeds: &[u32]) -> Config {
    let swim = address(node).to_string();
    Config {
        id: id(node),
        generation: Generation(generation),
        cluster: CLUSTER.into(),
        listen: address(node),
        seeds: seeds.iter().map(|seed| address(*seed).to_string()).collect(),
        meta: Meta {
            swim,
            name: format!("n{node}"),
            dc: "dc1".into(),
            version: "0.1.0".into(),
            ..Meta::default()
        },
        profile: Profile::Lan,
    }
}

struct Node {
    core: Core,
    /// Every event with its time.
    events: Vec<(Duration, Event)>,
    /// What the events say of each node: generation and state.
    told: BTreeMap<NodeId, (Generation, State)>,
}

struct Sim {
    now: Duration,
    rng: StdRng,
    nodes: BTreeMap<u32, Node>,
    flying: BTreeMap<(Duration, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    sent: u64,
    bytes: u64,
    loss: f64,
    /// Nodes cut off from all that are not in it.
    island: BTreeSet<SocketAddr>,
    trace: std::hash::DefaultHasher,
}

impl Sim {
    fn new(seed: u64, loss: f64) -> Self {
        Self {
            now: Duration::ZERO,
            rng: StdRng::seed_from_u64(seed),
            nodes: BTreeMap::new(),
            flying: BTreeMap::new(),
            sent: 0,
            bytes: 0,
            loss,
            island: BTreeSet::new(),
            trace: std::hash::DefaultHasher::new(),
        }
    }

    /// A cluster of nodes `1..=size` that has found together through the first three.
    fn cluster(seed: u64, size: u32, loss: f64) -> Self {
        let mut sim = Self::new(seed, loss);
        (1..=size).for_each(|node| sim.start(node, 1));
        sim.until("all see all alive", 60, |sim| sim.all_agree(size as usize));
        sim
    }

    fn start(&mut self, node: u32, generation: u64) {
        let core = Core::new(config(node, generation, &[1, 2, 3]), self.rng.random());
        let events = self.nodes.remove(&node).map(|old| old.events).unwrap_or_default();
        self.nodes.insert(node, Node { core, events, told: BTreeMap::new() });
        self.input(node, Input::Timer);
    }

    fn crash(&mut self, node: u32) {
        self.nodes.remove(&node);
    }

    fn input(&mut self, node: u32, input: Input) {
        let mut effects = Vec::new();
        let Some(target) = self.nodes.get_mut(&node) else { return };
        target.core.on(input, self.now, &mut effects);
        effects.into_iter().for_each(|effect| self.carry_out(node, effect));
    }

    fn carry_out(&mut self, node: u32, effect: Effect) {
        match effect {
            Effect::Send { to, bytes } => self.send(node, &to, bytes),
            Effect::Emit(event) => self.note(node, event),
            Effect::Dropped(_) => (),
        }
    }

    fn send(&mut self, from: u32, to: &Target, bytes: Vec<u8>) {
        assert!(bytes.len() <= PACKET_BYTES_MAX);
        let to = match to {
            Target::Address(address) => *address,
            Target::Name(name) => name.parse().unwrap(),
        };
        self.bytes += bytes.len() as u64;
        (self.now, from, to, &bytes).hash(&mut self.trace);
        let from = address(from);
        let lost = self.rng.random_bool(self.loss);
        let delay = Duration::from_micros(self.rng.random_range(250..1000));
        let cut = self.island.contains(&from) != self.island.contains(&to);
        if !lost && !cut {
            self.sent += 1;
            self.flying.insert((self.now + delay, self.sent), (from, to, bytes));
        }
    }

    /// Checks that the events of one node about another form a legal sequence.
    fn note(&mut self, node: u32, event: Event) {
        let now = self.now;
        let target = self.nodes.get_mut(&node).unwrap();
        let told = &mut target.told;
        match &event {
            Event::Join { member } => {
                let before = told.insert(member.id, (member.generation, State::Alive));
                assert!(
                    before.is_none_or(|(g, s)| !s.is_live() && member.generation >= g),
                    "{node}: {event:?}"
                );
            }
            Event::Suspect { id, generation } => {
                expect(told, (*id, *generation), &[State::Alive], State::Suspect)
            }
            Event::Alive { id, generation } => {
                expect(told, (*id, *generation), &[State::Suspect], State::Alive)
            }
            Event::Leave { id, generation, .. } => {
                expect(told, (*id, *generation), &[State::Alive, State::Suspect], State::Left);
            }
            Event::Dead { id, generation } => {
                expect(told, (*id, *generation), &[State::Alive, State::Suspect], State::Dead);
            }
            Event::Update { .. } | Event::SelfDead | Event::Lagged { .. } => (),
        }
        target.events.push((now, event));
    }

    /// Runs the next thing that happens; `false` if that is after `end`.
    fn step(&mut self, end: Duration) -> bool {
        let packet = self.flying.first_key_value().map(|(key, _)| *key);
        let timer = self.nodes.iter().map(|(node, it)| (it.core.next_deadline(), *node)).min();
        let next = packet.map(|(at, _)| at).into_iter().chain(timer.map(|(at, _)| at)).min();
        let Some(next) = next.filter(|next| *next <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(next);
        match packet.filter(|(at, _)| *at == next) {
            Some(key) => self.deliver(key),
            None => self.input(timer.unwrap().1, Input::Timer),
        }
        true
    }

    fn deliver(&mut self, key: (Duration, u64)) {
        let (from, to, bytes) = self.flying.remove(&key).unwrap();
        let to = self.nodes.keys().copied().find(|node| address(*node) == to);
        if let Some(node) = to {
            self.input(node, Input::Packet { from, bytes });
        }
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.step(end) {}
    }

    #[track_caller]
    fn until(&mut self, what: &str, seconds: u64, done: impl Fn(&Self) -> bool) {
        let end = self.now + Duration::from_secs(seconds);
        while !done(self) {
            let until = (self.now + Duration::from_millis(50)).min(end);
            while self.step(until) {}
            assert!(self.now < end, "not within {seconds} s: {what}");
        }
    }

    fn view(&self, node: u32) -> Vec<Member> {
        self.nodes[&node].core.members()
    }

    fn state(&self, at: u32, of: u32) -> Option<State> {
        self.view(at).into_iter().find(|member| member.id == id(of)).map(|member| member.state)
    }

    fn all_say(&self, of: u32, state: State) -> bool {
        self.nodes.keys().filter(|node| **node != of).all(|node| self.state(*node, of) == Some(state))
    }

    /// Every running node sees exactly `size` members alive, in the same incarnations.
    fn all_agree(&self, size: usize) -> bool {
        let mut views = self.nodes.keys().map(|node| alive(&self.view(*node)));
        let first = views.next().unwrap();
        first.len() == size && views.all(|view| view == first)
    }

    fn events(&self, of: impl Fn(&Event) -> bool) -> Vec<(u32, &Event)> {
        let all = self.nodes.iter().flat_map(|(node, it)| it.events.iter().map(|(_, event)| (*node, event)));
        all.filter(|(_, event)| of(event)).collect()
    }
}

fn alive(view: &[Member]) -> Vec<(NodeId, Generation, u32)> {
    let alive = view.iter().filter(|member| member.state == State::Alive);
    alive.map(|member| (member.id, member.generation, member.incarnation)).collect()
}

fn expect(
    told: &mut BTreeMap<NodeId, (Generation, State)>,
    (id, generation): (NodeId, Generation),
    before: &[State],
    after: State,
) {
    let (held, state) = told.insert(id, (generation, after)).unwrap();
    assert!(held == generation && before.contains(&state), "{id}: {state:?} -> {after:?}");
}

fn is_death(event: &Event) -> bool {
    matches!(event, Event::Dead { .. } | Event::SelfDead)
}

#[test]
fn a_crashed_node_is_declared_dead_everywhere() {
    for (size, loss, bound) in [(2, 0.0, 12), (3, 0.0, 12), (3, 0.1, 15), (10, 0.1, 20), (30, 0.1, 45)] {
        for seed in 0..4 {
            let mut sim = Sim::cluster(seed, size, loss);
            sim.crash(size);
            sim.until("the crash is known", bound, |sim| sim.all_say(size, State::Dead));
            let others =
                sim.events(|event| matches!(event, Event::Dead { id: dead, .. } if *dead != id(size)));
            assert_eq!(others, [], "size {size}, seed {seed}");
        }
    }
}

#[test]
fn a_live_node_is_not_declared_dead_under_ten_percent_loss() {
    for (size, seconds) in [(3, 600), (5, 300), (12, 120)] {
        for seed in 0..4 {
            let mut sim = Sim::cluster(seed, size, 0.1);
            sim.run(seconds);
            assert_eq!(sim.events(is_death), [], "size {size}, seed {seed}");
        }
    }
}

#[test]
fn a_quiet_cluster_suspects_nobody_and_stays_cheap() {
    let mut sim = Sim::cluster(7, 10, 0.0);
    let before = sim.bytes;
    sim.run(120);
    assert_eq!(sim.events(|event| matches!(event, Event::Suspect { .. })), []);
    let per_node_second = (sim.bytes - before) / 120 / 10;
    assert!(per_node_second < 1200, "{per_node_second} bytes per node and second");
}

#[test]
fn a_healed_partition_ends_in_one_view() {
    for (size, cut, seed) in [(3, 1, 1), (5, 2, 2), (10, 5, 3), (10, 1, 4)] {
        let mut sim = Sim::cluster(seed, size, 0.05);
        sim.island = (1..=cut).map(address).collect();
        sim.until("both sides have given each other up", 60, |sim| {
            (cut + 1..=size).all(|far| (1..=cut).all(|node| sim.state(node, far) == Some(State::Dead)))
                && (cut + 1..=size).all(|node| (1..=cut).all(|far| sim.state(node, far) == Some(State::Dead)))
        });
        sim.island.clear();
        sim.until("one view again", 120, |sim| sim.all_agree(size as usize));
        assert!(sim.nodes.values().all(|node| node.told.values().all(|(_, state)| *state == State::Alive)));
    }
}

#[test]
fn a_partition_heals_without_seeds() {
    let mut sim = Sim::cluster(6, 4, 0.0);
    (1..=4).for_each(|node| sim.input(node, Input::Seeds(Vec::new())));
    sim.island = [address(1), address(2)].into();
    sim.until("given up", 60, |sim| {
        (1..=2).all(|node| [3, 4].into_iter().all(|far| sim.state(node, far) == Some(State::Dead)))
    });
    sim.run(10);
    sim.island.clear();
    sim.until("one view again", 60, |sim| sim.all_agree(4));
}

#[test]
fn nodes_that_started_apart_find_together_through_a_seed() {
    let mut sim = Sim::new(5, 0.0);
    sim.island = [address(1), address(4)].into();
    (1..=6).for_each(|node| sim.start(node, 1));
    sim.until("each side has found itself", 30, |sim| {
        alive(&sim.view(4)).len() == 2 && alive(&sim.view(6)).len() == 4
    });
    sim.run(60);
    sim.island.clear();
    sim.until("one view", 60, |sim| sim.all_agree(6));
}

#[test]
fn a_goodbye_is_seen_as_left_with_its_reason_and_never_as_dead() {
    for (size, loss) in [(2, 0.0), (3, 0.1), (10, 0.1), (40, 0.0)] {
        let mut sim = Sim::cluster(11, size, loss);
        sim.input(size, Input::Leave(LeaveReason::Drain));
        sim.until("the goodbye is told", 10, |sim| sim.nodes[&size].core.is_goodbye_spread());
        sim.crash(size);
        sim.until("all know", 40, |sim| sim.all_say(size, State::Left));
        sim.run(20);
        assert!(sim.all_say(size, State::Left));
        let reasons = sim.events(|event| matches!(event, Event::Leave { reason: LeaveReason::Drain, .. }));
        assert_eq!(reasons.len(), size as usize - 1);
        assert_eq!(sim.events(is_death), []);
    }
}

#[test]
fn a_restart_is_the_end_of_the_old_process_and_a_join_of_the_new_one() {
    let mut sim = Sim::cluster(3, 5, 0.05);
    sim.crash(5);
    sim.start(5, 2);
    sim.until("all see the new process", 30, |sim| sim.all_agree(5));
    for node in 1..=4 {
        let about: Vec<_> = sim.nodes[&node].events.iter().map(|(_, event)| event.clone()).collect();
        let dead = about.iter().position(|e| *e == Event::Dead { id: id(5), generation: Generation(1) });
        let join = about.iter().position(|e| matches!(e, Event::Join { member } if member.generation.0 == 2));
        assert!(dead.unwrap() < join.unwrap(), "{node}: {about:?}");
    }
}

fn packet_from(node: u32, message: Message, records: &[Record]) -> Input {
    let envelope = Envelope { from: id(node), generation: Generation(1), message };
    let mut writer = Writer::new(cluster_hash(CLUSTER), &envelope).unwrap();
    records.iter().for_each(|record| assert!(writer.push(record)));
    Input::Packet { from: address(node), bytes: writer.finish() }
}

fn gossip(node: u32, record: Record) -> Input {
    packet_from(node, Message::Gossip {}, &[record])
}

fn record(node: u32, generation: u64, incarnation: u32, state: State) -> Record {
    let meta = Some(std::sync::Arc::new(config(node, 1, &[]).meta));
    Record {
        id: id(node),
        generation: Generation(generation),
        incarnation,
        state,
        reason: None,
        meta_version: 1,
        meta,
    }
}

#[test]
fn gossip_about_an_old_generation_changes_nothing() {
    let mut sim = Sim::cluster(3, 3, 0.0);
    sim.crash(3);
    sim.start(3, 9);
    sim.until("all see the new process", 30, |sim| sim.all_agree(3));
    let (view, events) = (sim.view(1), sim.nodes[&1].events.len());
    for state in State::ALL {
        sim.input(1, gossip(2, record(3, 8, u32::MAX, state)));
    }
    assert_eq!((sim.view(1), sim.nodes[&1].events.len()), (view, events));
}

#[test]
fn a_node_that_hears_of_its_own_death_refutes_it() {
    let mut sim = Sim::cluster(3, 3, 0.0);
    sim.input(1, gossip(2, record(1, 1, 0, State::Dead)));
    assert_eq!(sim.events(|event| *event == Event::SelfDead).len(), 1);
    assert_eq!(sim.view(1)[0].incarnation, 1);
    sim.until("all have the refutation", 20, |sim| sim.all_agree(3) && sim.view(2)[0].incarnation == 1);
}

#[test]
fn an_answered_doubt_is_answered_again_to_whoever_has_missed_it() {
    let mut sim = Sim::cluster(3, 3, 0.0);
    sim.input(1, gossip(2, record(1, 1, 0, State::Suspect)));
    sim.run(30);
    let doubt = packet_from(2, Message::Ping { seq: 1, to: id(1) }, &[record(1, 1, 0, State::Suspect)]);
    let told = answers(&mut sim, 1, doubt);
    assert!(matches!(&told[..], [(_, Message::Ack { .. }, told)] if told[0].incarnation == 1));
    assert_eq!(sim.view(1)[0].incarnation, 1);
}

#[test]
fn a_false_death_is_taken_back_by_its_subject() {
    let mut sim = Sim::cluster(4, 5, 0.0);
    sim.input(2, gossip(3, record(1, 1, 0, State::Dead)));
    assert_eq!(sim.state(2, 1), Some(State::Dead));
    sim.until("alive again everywhere", 30, |sim| sim.all_agree(5) && sim.view(2)[0].incarnation >= 1);
}

#[test]
fn a_suspicion_is_refuted_and_never_becomes_a_death() {
    let mut sim = Sim::cluster(4, 5, 0.1);
    sim.input(2, gossip(3, record(1, 1, 0, State::Suspect)));
    sim.until("refuted", 30, |sim| sim.all_agree(5) && sim.view(2)[0].incarnation >= 1);
    assert_eq!(sim.events(is_death), []);
}

/// What one node sends and says on one input, without delivering it.
fn answers(sim: &mut Sim, node: u32, input: Input) -> Vec<(Target, Message, Vec<Record>)> {
    let mut effects = Vec::new();
    sim.nodes.get_mut(&node).unwrap().core.on(input, sim.now, &mut effects);
    let packets = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send { to, bytes } => Some((to, bytes)),
        _ => None,
    });
    let opened = packets.map(|(to, bytes)| {
        let (envelope, records) = crate::packet::open(&bytes, cluster_hash(CLUSTER)).unwrap();
        (to, envelope.message, records.map(Result::unwrap).collect())
    });
    opened.collect()
}

fn says(records: &[Record], node: u32, state: State) -> bool {
    records.iter().any(|record| record.id == id(node) && record.state == state)
}

#[test]
fn a_node_held_dead_is_told_so_when_it_is_heard_of() {
    let mut sim = Sim::cluster(3, 3, 0.0);
    sim.run(30);
    sim.input(1, gossip(2, record(3, 1, 0, State::Dead)));
    let direct = answers(&mut sim, 1, packet_from(3, Message::Gossip {}, &[]));
    assert!(
        matches!(&direct[..], [(Target::Address(to), _, told)] if *to == address(3) && says(told, 3, State::Dead))
    );
    assert!(answers(&mut sim, 1, packet_from(3, Message::Gossip {}, &[])).is_empty());
    sim.now += Duration::from_secs(1);
    let hearsay = answers(&mut sim, 1, gossip(2, record(3, 1, 0, State::Alive)));
    let name = address(3).to_string();
    assert!(
        matches!(&hearsay[..], [(Target::Name(to), _, told)] if *to == name && says(told, 3, State::Dead))
    );
}

#[test]
fn a_death_heard_in_a_sync_is_only_a_suspicion() {
    let mut sim = Sim::cluster(3, 3, 0.0);
    let sync = Message::Sync { want: crate::packet::Want::Nothing };
    sim.input(1, packet_from(2, sync, &[record(3, 1, 0, State::Dead)]));
    assert_eq!(sim.state(1, 3), Some(State::Suspect));
}

#[test]
fn a_suspect_is_asked_again_and_told_of_its_suspicion() {
    let mut sim = Sim::cluster(3, 2, 0.0);
    sim.run(30);
    sim.crash(2);
    sim.until("suspected", 20, |sim| sim.state(1, 2) == Some(State::Suspect));
    let mut chased = 0;
    while sim.state(1, 2) == Some(State::Suspect) {
        sim.now = sim.nodes[&1].core.next_deadline();
        for (_, message, told) in answers(&mut sim, 1, Input::Timer) {
            let Message::Ping { seq, .. } = message else { continue };
            assert!(says(&told, 2, State::Suspect));
            chased += usize::from(seq == 0);
        }
    }
    assert!(chased >= 2, "{chased}");
}

#[test]
fn a_ping_for_another_node_is_not_answered() {
    let mut sim = Sim::cluster(3, 2, 0.0);
    assert!(answers(&mut sim, 1, packet_from(2, Message::Ping { seq: 1, to: id(9) }, &[])).is_empty());
    let mine = answers(&mut sim, 1, packet_from(2, Message::Ping { seq: 1, to: id(1) }, &[]));
    assert!(matches!(mine[..], [(_, Message::Ack { seq: 1, stranger: false, .. }, _)]));
}

#[test]
fn a_node_that_is_a_stranger_to_the_one_it_asks_introduces_itself() {
    let mut sim = Sim::cluster(3, 2, 0.0);
    sim.run(30);
    let asked = answers(&mut sim, 1, packet_from(9, Message::Ping { seq: 1, to: id(1) }, &[]));
    assert!(matches!(asked[..], [(_, Message::Ack { stranger: true, .. }, _)]));
    let ack = Message::Ack { seq: 1, about: id(2), generation: Generation(1), stranger: true };
    let introduced = answers(&mut sim, 1, packet_from(2, ack, &[]));
    assert!(matches!(&introduced[..], [(_, Message::Gossip {}, told)] if says(told, 1, State::Alive)));
}

#[test]
fn a_sync_repairs_what_gossip_has_missed() {
    let mut sim = Sim::cluster(3, 4, 0.0);
    sim.run(30);
    sim.nodes.get_mut(&1).unwrap().core.table.get_mut(id(4)).unwrap().meta_version = 0;
    sim.until("repaired", 120, |sim| sim.view(1)[3].meta_version == 1);
}

#[test]
fn new_metadata_reaches_all_once() {
    let mut sim = Sim::cluster(4, 10, 0.1);
    let meta = Meta { draining: true, ..config(1, 1, &[]).meta };
    sim.input(1, Input::Meta(Box::new(meta)));
    sim.until("all know", 40, |sim| sim.nodes.keys().all(|node| sim.view(*node)[0].meta.draining));
    sim.run(40);
    let updates = sim.events(|event| matches!(event, Event::Update { .. }));
    assert_eq!(updates.len(), 10);
}

#[test]
fn a_view_of_many_packets_reaches_a_joiner() {
    let mut sim = Sim::new(1, 0.0);
    (1..=50).for_each(|node| sim.start(node, 1));
    sim.until("all see all", 30, |sim| sim.all_agree(50));
    sim.start(51, 1);
    sim.until("the joiner sees all", 1, |sim| alive(&sim.view(51)).len() == 51);
}

#[test]
fn a_stalled_node_does_not_take_its_own_silence_for_that_of_others() {
    let mut sim = Sim::cluster(4, 2, 0.0);
    let mut effects = Vec::new();
    let stalled = sim.nodes.get_mut(&1).unwrap();
    let start = stalled.core.next_deadline();
    stalled.core.on(Input::Timer, start, &mut effects);
    stalled.core.on(Input::Evidence(id(2), Evidence::RpcFail), start, &mut effects);
    effects.clear();
    stalled.core.on(Input::Timer, start + Duration::from_secs(8), &mut effects);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Emit(_))), "{effects:?}");
}

#[test]
fn a_failed_call_makes_a_probe_at_once_and_an_answered_call_ends_it() {
    let mut sim = Sim::cluster(4, 2, 0.0);
    sim.nodes.remove(&2);
    sim.run(1);
    let node = sim.nodes.get_mut(&1).unwrap();
    let mut effects = Vec::new();
    node.core.on(Input::Evidence(id(2), Evidence::RpcOk), sim.now, &mut effects);
    assert!(effects.is_empty());
    node.core.on(Input::Evidence(id(2), Evidence::RpcFail), sim.now, &mut effects);
    assert!(
        matches!(&effects[..], [Effect::Send { to: Target::Name(to), .. }] if *to == address(2).to_string())
    );
    for _ in 0..100 {
        sim.input(1, Input::Evidence(id(2), Evidence::RpcOk));
        sim.now += Duration::from_millis(100);
        sim.input(1, Input::Timer);
    }
    assert_eq!(sim.events(is_death), []);
}

#[test]
fn the_dead_are_forgotten_in_the_end() {
    let mut sim = Sim::cluster(4, 3, 0.0);
    sim.crash(3);
    sim.until("dead", 30, |sim| sim.all_say(3, State::Dead));
    sim.run(3700);
    assert_eq!((sim.state(1, 3), sim.state(2, 3)), (None, None));
}

#[test]
fn packets_of_another_cluster_and_of_oneself_are_dropped() {
    let mut sim = Sim::cluster(4, 2, 0.0);
    let envelope =
        Envelope { from: id(2), generation: Generation(1), message: Message::Ping { seq: 1, to: id(1) } };
    let foreign = Writer::new(cluster_hash("other"), &envelope).unwrap().finish();
    let own = packet_from(1, Message::Ping { seq: 1, to: id(1) }, &[]);
    for input in [Input::Packet { from: address(2), bytes: foreign }, own] {
        let mut effects = Vec::new();
        sim.nodes.get_mut(&1).unwrap().core.on(input, sim.now, &mut effects);
        assert!(matches!(effects[..], [Effect::Dropped(_)]), "{effects:?}");
    }
}

#[test]
fn the_same_seed_makes_the_same_trace() {
    let trace = |seed| {
        let mut sim = Sim::cluster(seed, 8, 0.2);
        sim.crash(8);
        sim.run(20);
        (sim.trace.finish(), sim.sent)
    };
    assert_eq!(trace(42), trace(42));
    assert_ne!(trace(42), trace(43));
}

#[test]
fn arbitrary_packets_never_break_a_node() {
    let mut sim = Sim::cluster(4, 3, 0.0);
    for _ in 0..3000 {
        let length = sim.rng.random_range(0..80);
        let body: Vec<u8> = (0..length).map(|_| sim.rng.random()).collect();
        let input =
            Input::Packet { from: address(9), bytes: crate::packet::packet_test::sealed(CLUSTER, &body) };
        sim.input(1, input);
    }
    sim.run(10);
    assert_eq!(sim.events(is_death), []);
}

proptest::proptest! {
    #[test]
    fn beliefs_merge_to_the_same_in_any_order(
        news in proptest::collection::vec((1_u64..3, 0_u32..3, 0_usize..4, 1_u32..4), 1..12),
        swaps in proptest::collection::vec((0_usize..12, 0_usize..12), 0..12),
    ) {
        let records: Vec<_> = news.iter().map(|(generation, incarnation, state, version)| {
            let mut meta = config(7, 1, &[]).meta;
            meta.name = format!("{generation}-{version}");
            Record {
                meta_version: *version,
                meta: Some(std::sync::Arc::new(meta)),
                ..record(7, *generation, *incarnation, State::ALL[*state])
            }
        }).collect();
        let mut shuffled = records.clone();
        for (a, b) in swaps {
            let (a, b) = (a % records.len(), b % records.len());
            shuffled.swap(a, b);
        }
        // a node is only taken in alive, so both tables begin with it
        let first = record(7, 1, 0, State::Alive);
        let merged = |records: &[Record]| {
            let mut table = super::Table::default();
            table.merge(&first);
            records.iter().chain(records).for_each(|record| { table.merge(record); });
            table.get(id(7)).unwrap().member(id(7))
        };
        proptest::prop_assert_eq!(merged(&records), merged(&shuffled));
    }
}
