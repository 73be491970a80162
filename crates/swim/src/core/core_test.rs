//! What single nodes do with single packets, in small simulated clusters.

use std::time::Duration;

use muster_wire::Generation;

use super::*;
use crate::body::{Record, Writer};
use crate::sim::{Ours, Out, Place, Setup, World, address, node_id as id};
use crate::tuning::Profile;

pub(crate) fn cluster(seed: u64, size: Place) -> World<Ours> {
    let mut world = World::new(seed);
    (1..=size).for_each(|place| begin(&mut world, place, 1));
    let whole = world.until(Duration::from_secs(60), |world| world.is_whole(1..=size));
    assert!(whole.is_some(), "seed {seed}: the cluster of {size} did not find together");
    world
}

fn begin(world: &mut World<Ours>, place: Place, generation: u64) {
    let setup = Setup { place, generation, seeds: vec![1, 2, 3], tuning: Profile::Lan.tuning() };
    let node = Ours::new(&setup, (world.draw(), world.now));
    world.start(place, node);
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn packet(from: Place, message: &Message, records: &[Record]) -> Input {
    let mut writer = Writer::new(message);
    records.iter().for_each(|record| assert!(writer.push(record)));
    let sender = Sender { id: id(from), generation: Generation(1) };
    Input::Packet { from: Target::Address(address(from)), sender, body: writer.finish() }
}

fn gossip(from: Place, record: Record) -> Input {
    packet(from, &Message::Gossip, &[record])
}

fn record(of: Place, (generation, incarnation): (u64, u32), state: State) -> Record {
    let setup = Setup { place: of, generation, seeds: Vec::new(), tuning: Profile::Lan.tuning() };
    let own = Ours::new(&setup, (0, Duration::ZERO)).own_record();
    let by = matches!(state, State::Suspect | State::Dead).then(|| id(99));
    Record { incarnation, state, by, ..own }
}

fn put(world: &mut World<Ours>, place: Place, input: Input) {
    world.act(place, |node, now, out| node.input(input, now, out));
}

/// What one node sends on one input, without delivering it.
fn answers(world: &mut World<Ours>, place: Place, input: Input) -> Vec<(Target, Message, Vec<Record>)> {
    let mut effects = Vec::new();
    let now = world.now;
    world.nodes.get_mut(&place).unwrap().protocol.core.on(input, now, &mut effects);
    let sent = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send { to, body, .. } => Some((to, body)),
        _ => None,
    });
    let opened = sent.map(|(to, body)| {
        let (message, records) = body::open(&body).unwrap();
        (to, message, records.map(Result::unwrap).collect())
    });
    opened.collect()
}

fn core(world: &World<Ours>, place: Place) -> &Core {
    &world.nodes[&place].protocol.core
}

fn events(world: &World<Ours>, of: impl Fn(&Event) -> bool) -> Vec<(Place, Event)> {
    let all = world
        .nodes
        .iter()
        .flat_map(|(place, node)| node.events.iter().map(|(_, event)| (*place, event.clone())));
    all.filter(|(_, event)| of(event)).collect()
}

const fn is_death(event: &Event) -> bool {
    matches!(event, Event::Dead { .. } | Event::SelfDead { .. })
}

fn says(records: &[Record], of: Place, state: State) -> bool {
    records.iter().any(|record| record.id == id(of) && record.state == state)
}

fn incarnation(world: &World<Ours>, at: Place, of: Place) -> u32 {
    let members = core(world, at).members();
    members.iter().find(|member| member.id == id(of)).unwrap().incarnation
}

#[test]
fn gossip_about_an_old_generation_changes_nothing() {
    let mut world = cluster(3, 3);
    begin(&mut world, 3, 9);
    let holds = |world: &World<Ours>| core(world, 1).members()[2].generation == Generation(9);
    assert!(world.until(secs(30), holds).is_some());
    let before = (core(&world, 1).members(), world.nodes[&1].events.len());
    for state in State::ALL {
        put(&mut world, 1, gossip(2, record(3, (8, u32::MAX), state)));
    }
    assert_eq!((core(&world, 1).members(), world.nodes[&1].events.len()), before);
}

#[test]
fn a_restart_is_the_end_of_the_old_process_and_a_join_of_the_new_one() {
    let mut world = cluster(3, 5);
    begin(&mut world, 5, 2);
    let holds = |world: &World<Ours>, at: Place| core(world, at).members()[4].generation == Generation(2);
    assert!(world.until(secs(30), |world| (1..=4).all(|at| holds(world, at))).is_some());
    for place in 1..=4 {
        let told: Vec<_> = world.nodes[&place].events.iter().map(|(_, event)| event.clone()).collect();
        let dead =
            |e: &Event| matches!(e, Event::Dead { id: of, generation: Generation(1), .. } if *of == id(5));
        let join = |e: &Event| matches!(e, Event::Join { member, previous: Some(Generation(1)) } if member.generation.0 == 2);
        assert!(
            told.iter().position(dead).unwrap() < told.iter().position(join).unwrap(),
            "{place}: {told:?}"
        );
    }
}

#[test]
fn a_node_that_hears_of_its_own_death_refutes_it_and_trusts_itself_less() {
    let mut world = cluster(3, 3);
    put(&mut world, 1, gossip(2, record(1, (1, 0), State::Dead)));
    assert_eq!(events(&world, |event| *event == Event::SelfDead { by: id(99) }).len(), 1);
    assert_eq!((incarnation(&world, 1, 1), core(&world, 1).lhm()), (1, 1));
    assert!(world.until(secs(20), |world| incarnation(world, 2, 1) == 1).is_some());
}

#[test]
fn a_forged_incarnation_near_the_end_of_the_numbers_is_not_believed() {
    let mut world = cluster(3, 3);
    put(&mut world, 1, gossip(2, record(1, (1, u32::MAX), State::Suspect)));
    put(&mut world, 1, gossip(2, record(3, (1, u32::MAX), State::Dead)));
    assert_eq!((incarnation(&world, 1, 1), world.belief(1, 3)), (0, Some(State::Alive)));
}

#[test]
fn an_answered_doubt_is_answered_again_to_whoever_has_missed_it() {
    let mut world = cluster(3, 3);
    put(&mut world, 1, gossip(2, record(1, (1, 0), State::Suspect)));
    world.run(secs(30));
    let doubt = packet(2, &Message::Ping { seq: 1 }, &[record(1, (1, 0), State::Suspect)]);
    let told = answers(&mut world, 1, doubt);
    assert!(matches!(&told[..], [(_, Message::Ack { .. }, told)] if told[0].incarnation == 1));
    assert_eq!(incarnation(&world, 1, 1), 1);
}

#[test]
fn a_false_death_is_taken_back_by_its_subject() {
    let mut world = cluster(4, 5);
    put(&mut world, 2, gossip(3, record(1, (1, 0), State::Dead)));
    assert_eq!(world.belief(2, 1), Some(State::Dead));
    assert!(world.until(secs(30), |world| world.is_whole(1..=5) && incarnation(world, 2, 1) >= 1).is_some());
}

#[test]
fn a_node_held_dead_is_told_so_when_it_is_heard_of() {
    let mut world = cluster(3, 3);
    world.run(secs(30));
    put(&mut world, 1, gossip(2, record(3, (1, 0), State::Dead)));
    let direct = answers(&mut world, 1, packet(3, &Message::Gossip, &[]));
    assert!(
        matches!(&direct[..], [(Target::Address(to), _, told)] if *to == address(3) && says(told, 3, State::Dead))
    );
    assert!(answers(&mut world, 1, packet(3, &Message::Gossip, &[])).is_empty());
    world.now += secs(1);
    let hearsay = answers(&mut world, 1, gossip(2, record(3, (1, 0), State::Alive)));
    let name = address(3).to_string();
    assert!(
        matches!(&hearsay[..], [(Target::Name(to), _, told)] if *to == name && says(told, 3, State::Dead))
    );
}

#[test]
fn who_has_missed_a_goodbye_is_told_of_it_by_whoever_hears_its_doubts() {
    let mut world = cluster(3, 4);
    world.run(secs(30));
    put(&mut world, 1, gossip(2, record(3, (1, 1), State::Left)));
    let told = answers(&mut world, 1, gossip(4, record(3, (1, 0), State::Suspect)));
    let about = told.iter().find(|(to, ..)| *to == Target::Address(address(4)));
    assert!(about.is_some_and(|(_, _, records)| says(records, 3, State::Left)), "{told:?}");
}

#[test]
fn a_death_heard_in_a_view_is_only_a_suspicion() {
    let mut world = cluster(3, 3);
    put(&mut world, 1, packet(2, &Message::View, &[record(3, (1, 0), State::Dead)]));
    assert_eq!(world.belief(1, 3), Some(State::Suspect));
}

#[test]
fn a_node_that_is_a_stranger_to_the_one_it_asks_introduces_itself() {
    let mut world = cluster(3, 2);
    world.run(secs(30));
    let asked = answers(&mut world, 1, packet(9, &Message::Ping { seq: 1 }, &[]));
    assert!(matches!(asked[..], [(_, Message::Ack { stranger: true, .. }, _)]));
    let introduced = answers(&mut world, 1, packet(2, &Message::Ack { seq: 1, stranger: true }, &[]));
    assert!(matches!(&introduced[..], [(_, Message::Gossip, told)] if says(told, 1, State::Alive)));
}

#[test]
fn the_alias_is_used_only_towards_those_who_have_answered() {
    let mut world = cluster(3, 2);
    world.run(secs(5));
    let short = |world: &mut World<Ours>| {
        let mut effects = Vec::new();
        let now = world.now;
        let ask = packet(2, &Message::Ping { seq: 1 }, &[]);
        world.nodes.get_mut(&1).unwrap().protocol.core.on(ask, now, &mut effects);
        matches!(&effects[..], [Effect::Send { envelope, .. }] if envelope.is_short)
    };
    assert!(short(&mut world));
    put(&mut world, 1, packet(2, &Message::Ack { seq: 1, stranger: true }, &[]));
    assert!(!short(&mut world));
}

#[test]
fn each_member_that_finds_the_suspect_silent_shortens_the_suspicion() {
    let mut world = cluster(3, 10);
    world.run(secs(30));
    let before = core(&world, 1).death_of(id(10));
    assert_eq!(before, None);
    let doubt = |by: Place| Record { by: Some(id(by)), meta: None, ..record(10, (1, 0), State::Suspect) };
    let mut deaths = Vec::new();
    for by in [2, 2, 3, 4, 5, 6] {
        answers(&mut world, 1, gossip(by, doubt(by)));
        deaths.push(core(&world, 1).death_of(id(10)).unwrap() - world.now);
    }
    let shortest = Profile::Lan.tuning().suspicion(10);
    assert_eq!((deaths[0], deaths[1]), (shortest * 6, shortest * 6));
    assert!(deaths[2] < deaths[1] && deaths[3] == shortest && deaths[4] == shortest && deaths[5] == shortest);
}

#[test]
fn a_refused_stream_after_a_failed_probe_makes_the_suspicion_short() {
    let mut world = cluster(3, 5);
    world.run(secs(30));
    world.net.refuses = true;
    world.crash(5);
    put(&mut world, 1, Input::Evidence(id(5), Evidence::Refused));
    let known = world.until(secs(10), |world| world.all_believe(5, State::Dead)).unwrap();
    assert!(known < Duration::from_millis(900), "{known:?}");
}

#[test]
fn a_refused_link_alone_is_no_suspicion_while_the_member_answers() {
    let mut world = cluster(3, 5);
    for _ in 0..20 {
        put(&mut world, 1, Input::Evidence(id(5), Evidence::Refused));
        world.run(secs(1));
    }
    assert_eq!(events(&world, |event| matches!(event, Event::Suspect { .. })), []);
}

#[test]
fn an_answered_call_is_as_good_as_an_answered_probe() {
    let mut world = cluster(4, 2);
    world.crash(2);
    for _ in 0..100 {
        put(&mut world, 1, Input::Evidence(id(2), Evidence::RpcOk));
        world.run(Duration::from_millis(100));
    }
    assert_eq!(events(&world, is_death), []);
    assert!(world.until(secs(20), |world| world.belief(1, 2) == Some(State::Dead)).is_some());
}

#[test]
fn a_relay_says_when_the_asked_one_is_silent() {
    let mut world = cluster(3, 3);
    world.run(secs(30));
    world.crash(3);
    let asked = answers(&mut world, 1, packet(2, &Message::PingReq { seq: 7, target: id(3) }, &[]));
    assert!(matches!(asked[..], [(_, Message::Ping { .. }, _)]));
    assert_eq!(core(&world, 1).relays.len(), 1);
    let mut nacks = 0;
    for _ in 0..20 {
        world.now += Duration::from_millis(50);
        let sent = answers(&mut world, 1, Input::Timer);
        nacks +=
            sent.iter().filter(|(_, message, _)| *message == Message::Nack { seq: 7, about: id(3) }).count();
    }
    assert_eq!((nacks, core(&world, 1).relays.len()), (1, 0));
    let unknown = answers(&mut world, 1, packet(2, &Message::PingReq { seq: 8, target: id(77) }, &[]));
    assert!(matches!(unknown[..], [(_, Message::Nack { seq: 8, .. }, _)]));
}

#[test]
fn missing_nacks_and_late_timers_make_a_node_trust_itself_less() {
    let mut world = cluster(3, 5);
    world.run(secs(30));
    assert_eq!(core(&world, 1).lhm(), 0);
    world.net.part(&[1], &[2, 3, 4, 5]);
    world.run(secs(5));
    assert!(core(&world, 1).lhm() >= 3, "{}", core(&world, 1).lhm());
    world.net.cut.clear();
    assert!(world.until(secs(120), |world| core(world, 1).lhm() == 0).is_some());
    world.nodes.get_mut(&1).unwrap().frozen_until = world.now + secs(2);
    world.run(Duration::from_millis(2001));
    assert_eq!(core(&world, 1).lhm(), 1);
}

#[test]
fn who_found_a_member_silent_goes_on_telling_it_even_as_the_only_one() {
    let mut world = cluster(3, 50);
    world.run(secs(30));
    let suspects = 41..=50;
    for place in suspects.clone() {
        // as after a cut: it was told around until it was news no longer, and reached nobody
        let core = &mut world.nodes.get_mut(&1).unwrap().protocol.core;
        core.find(id(place), State::Suspect);
        core.queue = Queue::default();
    }
    let pause = Profile::Lan.tuning().suspicion(50) / Profile::Lan.tuning().chases;
    world.run(pause + Duration::from_millis(50));
    let held: Vec<_> = suspects.map(|of| world.belief(1, of)).collect();
    assert_eq!(held, [Some(State::Alive); 10]);
}

#[test]
fn who_hears_of_a_death_in_a_view_goes_on_asking_the_member() {
    let mut world = cluster(3, 50);
    world.run(secs(30));
    let dead: Vec<_> = (41..=50).map(|of| Record { meta: None, ..record(of, (1, 0), State::Dead) }).collect();
    put(&mut world, 1, packet(2, &Message::View, &dead));
    // as after a cut: the others have heard the refutation that this node missed
    world.nodes.get_mut(&1).unwrap().protocol.core.queue = Queue::default();
    let pause = Profile::Lan.tuning().suspicion(50) / Profile::Lan.tuning().chases;
    world.run(pause + Duration::from_millis(50));
    let held: Vec<_> = (41..=50).map(|of| world.belief(1, of)).collect();
    assert_eq!(held, [Some(State::Alive); 10]);
    assert_eq!(events(&world, is_death), []);
}

#[test]
fn nobody_is_declared_dead_by_those_who_have_not_asked_it() {
    let mut world = cluster(3, 50);
    world.run(secs(30));
    let core = &mut world.nodes.get_mut(&1).unwrap().protocol.core;
    for (of, by) in (41..=50).flat_map(|of| (2..=5).map(move |by| (of, by))) {
        // found silent by enough others for the shortest suspicion; the refutation has missed this node
        core.apply(&Record { by: Some(id(by)), meta: None, ..record(of, (1, 0), State::Suspect) });
    }
    core.queue = Queue::default();
    world.run(secs(10));
    assert_eq!(events(&world, is_death), []);
}

#[test]
fn a_mass_suspicion_is_told_and_holds_deaths_back() {
    let mut world = cluster(5, 9);
    world.run(secs(30));
    let far: Vec<_> = (6..=9).collect();
    world.net.part(&[1, 2, 3, 4, 5], &far);
    world.run(secs(15));
    let told = events(&world, |event| matches!(event, Event::MassSuspicion { over: false, .. }));
    assert!((1..=5).all(|place| told.iter().any(|(at, _)| *at == place)), "{told:?}");
    assert!(core(&world, 1).is_mass_suspicion());
    world.net.cut.clear();
    assert!(world.until(secs(30), |world| world.is_whole(1..=9)).is_some());
    assert!(world.until(secs(30), |world| !core(world, 1).is_mass_suspicion()).is_some());
    // the first to be found silent may have died before the mass was seen, the rest not
    for place in 1..=5 {
        let dead = events(&world, |event| matches!(event, Event::Dead { .. }));
        let dead = dead
            .iter()
            .filter(|(at, event)| *at == place && far.iter().any(|of| event.subject() == Some(id(*of))));
        assert!(dead.count() < far.len(), "{place}");
    }
    assert!(!events(&world, |event| matches!(event, Event::MassSuspicion { over: true, .. })).is_empty());
}

#[test]
fn deaths_of_many_are_declared_in_the_end_and_at_once_where_nobody_listens() {
    for (refuses, most) in [(false, 60), (true, 15)] {
        let mut world = cluster(5, 9);
        world.net.refuses = refuses;
        (6..=9).for_each(|place| world.crash(place));
        let all = |world: &World<Ours>| (6..=9).all(|of| world.all_believe(of, State::Dead));
        assert!(world.until(secs(most), all).is_some(), "refuses: {refuses}");
    }
}

#[test]
fn a_view_is_given_only_to_those_who_can_receive_where_they_say() {
    let mut world = cluster(3, 5);
    world.run(secs(30));
    let ask = packet(9, &Message::Digest { digests: vec![1] }, &[]);
    let told = answers(&mut world, 1, ask);
    let [(_, Message::Differ { buckets: 1, mask: 1, proof }, records)] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(records.is_empty());
    let pull = |proof| Message::Pull { buckets: 1, mask: 1, proof };
    assert!(answers(&mut world, 1, packet(9, &pull(proof ^ 1), &[])).is_empty());
    assert!(answers(&mut world, 1, packet(8, &pull(*proof), &[])).is_empty());
    let given = answers(&mut world, 1, packet(9, &pull(*proof), &[]));
    assert_eq!(given.iter().map(|(_, _, records)| records.len()).sum::<usize>(), 5);
    let again =
        (0..200).filter(|_| !answers(&mut world, 1, packet(9, &pull(*proof), &[])).is_empty()).count();
    assert!(again <= super::sync::VIEWS_MAX as usize, "{again}");
}

#[test]
fn equal_views_are_compared_in_one_packet() {
    let mut world = cluster(3, 5);
    world.run(secs(60));
    let digest = core(&world, 2).digest();
    assert!(answers(&mut world, 1, packet(2, &digest, &[])).is_empty());
}

#[test]
fn a_comparison_repairs_what_gossip_has_missed() {
    let mut world = cluster(3, 4);
    world.run(secs(30));
    let missed = |node: &mut Ours| node.core.table.get_mut(id(4)).unwrap().meta_version = 0;
    missed(&mut world.nodes.get_mut(&1).unwrap().protocol);
    let repaired = |world: &World<Ours>| core(world, 1).members()[3].meta_version == 1;
    assert!(world.until(secs(120), repaired).is_some());
}

#[test]
fn new_metadata_reaches_all_once() {
    let mut world = cluster(4, 10);
    world.net.loss = 0.1;
    let meta = Meta { draining: true, ..core(&world, 1).members()[0].meta.as_ref().clone() };
    put(&mut world, 1, Input::Meta(Box::new(meta)));
    let knows = |world: &World<Ours>, place: Place| core(world, place).members()[0].meta.draining;
    assert!(world.until(secs(60), |world| (1..=10).all(|place| knows(world, place))).is_some());
    world.run(secs(40));
    assert_eq!(events(&world, |event| matches!(event, Event::Update { .. })).len(), 10);
}

#[test]
fn other_figures_hold_from_the_next_probe_on() {
    let mut world = cluster(4, 3);
    world.run(secs(10));
    let slow = Tuning { probe_interval: secs(60), ..Profile::Lan.tuning() };
    (1..=3).for_each(|place| put(&mut world, place, Input::Tuning(slow)));
    world.run(secs(1));
    let before = world.datagrams;
    world.run(secs(30));
    assert!(world.datagrams - before < 30, "{}", world.datagrams - before);
    (1..=3).for_each(|place| put(&mut world, place, Input::Tuning(Profile::Lan.tuning())));
    world.crash(3);
    assert!(world.until(secs(10), |world| world.all_believe(3, State::Dead)).is_some());
}

#[test]
fn the_dead_are_forgotten_in_the_end() {
    let mut world = cluster(4, 3);
    world.crash(3);
    assert!(world.until(secs(30), |world| world.all_believe(3, State::Dead)).is_some());
    world.run(secs(3700));
    assert_eq!((world.belief(1, 3), world.belief(2, 3)), (None, None));
}

#[test]
fn a_partition_heals_without_seeds() {
    let mut world = cluster(6, 4);
    (1..=4).for_each(|place| put(&mut world, place, Input::Seeds(Vec::new())));
    world.net.part(&[1, 2], &[3, 4]);
    let apart = |world: &World<Ours>| {
        [(1, 3), (1, 4), (2, 3), (2, 4), (3, 1), (3, 2), (4, 1), (4, 2)]
            .iter()
            .all(|(at, of)| world.belief(*at, *of) == Some(State::Dead))
    };
    assert!(world.until(secs(120), apart).is_some());
    world.net.cut.clear();
    assert!(world.until(secs(30), |world| world.is_whole(1..=4)).is_some());
}

#[test]
fn nodes_that_started_apart_find_together_through_a_seed() {
    let mut world = World::new(5);
    world.net.part(&[1, 4], &[2, 3, 5, 6]);
    (1..=6).for_each(|place| begin(&mut world, place, 1));
    let lives = |world: &World<Ours>, at: Place| core(world, at).table.live().len();
    assert!(world.until(secs(30), |world| lives(world, 4) == 1 && lives(world, 6) == 3).is_some());
    world.run(secs(60));
    world.net.cut.clear();
    assert!(world.until(secs(60), |world| world.is_whole(1..=6)).is_some());
}

#[test]
fn a_view_of_many_packets_reaches_a_joiner() {
    let mut world = cluster(1, 50);
    begin(&mut world, 51, 1);
    assert!(world.until(secs(2), |world| core(world, 51).table.live().len() == 50).is_some());
}

#[test]
fn a_datagram_and_a_stream_are_answered_on_their_own_way() {
    let mut world = cluster(1, 3);
    let body = Writer::new(&Message::Ping { seq: 4 }).finish();
    let sender = Sender { id: id(2), generation: Generation(1) };
    let asked = answers(&mut world, 1, Input::Packet { from: Target::Stream(8), sender, body });
    assert!(matches!(asked[..], [(Target::Stream(8), Message::Ack { seq: 4, .. }, _)]));
}

#[test]
fn a_probe_is_answered_over_a_stream_where_datagrams_are_dropped() {
    let mut world = cluster(1, 3);
    world.run(secs(10));
    // no datagram passes, streams do
    world.net.mtu = 1;
    world.run(secs(120));
    assert_eq!(events(&world, is_death), []);
}

#[test]
fn packets_of_oneself_are_dropped() {
    let mut world = cluster(4, 2);
    let own = packet(1, &Message::Ping { seq: 1 }, &[]);
    let mut effects = Vec::new();
    let now = world.now;
    world.nodes.get_mut(&1).unwrap().protocol.core.on(own, now, &mut effects);
    assert!(matches!(effects[..], [Effect::Dropped(Refusal::Own)]), "{effects:?}");
}

#[test]
fn out_of_the_simulation_comes_what_the_core_says() {
    let setup = Setup { place: 1, generation: 1, seeds: vec![2], tuning: Profile::Lan.tuning() };
    let mut out = Vec::new();
    Ours::new(&setup, (1, Duration::ZERO)).input(Input::Timer, Duration::ZERO, &mut out);
    assert!(matches!(out[..], [Out::Send { to: 2, .. }]));
}

proptest::proptest! {
    #[test]
    fn beliefs_merge_to_the_same_in_any_order(
        news in proptest::collection::vec((1_u64..3, 0_u32..3, 0_usize..4, 1_u32..4), 1..12),
        swaps in proptest::collection::vec((0_usize..12, 0_usize..12), 0..12),
    ) {
        let records: Vec<_> = news.iter().map(|(generation, incarnation, state, version)| {
            let mut record = record(7, (*generation, *incarnation), State::ALL[*state]);
            let mut meta = record.meta.as_deref().cloned().unwrap_or_default();
            meta.name = format!("{generation}-{version}");
            record.meta = Some(Arc::new(meta));
            Record { meta_version: *version, ..record }
        }).collect();
        let mut shuffled = records.clone();
        for (a, b) in swaps {
            let (a, b) = (a % records.len(), b % records.len());
            shuffled.swap(a, b);
        }
        // a node is only taken in alive, so both tables begin with it
        let first = record(7, (1, 0), State::Alive);
        let merged = |records: &[Record]| {
            let mut table = Table::default();
            table.merge(&first, Duration::ZERO);
            records.iter().chain(records).for_each(|record| { table.merge(record, Duration::ZERO); });
            table.get(id(7)).unwrap().member(id(7))
        };
        proptest::prop_assert_eq!(merged(&records), merged(&shuffled));
    }
}
