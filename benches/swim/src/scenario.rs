//! What is done to a cluster, and what is measured.

use std::time::Duration;

use muster_swim::sim::{Place, World};

use crate::subject::{Subject, is_active};

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A node crashes: seconds to the first death, from there to the last node that knows, and whether all knew.
pub struct Crash {
    pub first: f64,
    pub all: f64,
    pub is_complete: bool,
}

pub fn crash<S: Subject>(seed: u64, size: Place, loss: f64) -> Crash {
    let mut world = S::cluster(seed, size);
    world.net.loss = loss;
    world.run(secs(3.0 + (seed % 16) as f64 / 8.0));
    let began = world.now;
    world.crash(size);
    let knows = |world: &World<S::Node>, at: Place| !is_active(world.belief(at, size));
    let is_all = |world: &World<S::Node>| (1..size).all(|at| knows(world, at));
    let all = fine(&mut world, began + secs(90.0), is_all);
    let told = world.nodes.values().flat_map(|node| &node.events);
    let first =
        told.filter(|(at, event)| *at >= began && S::death(event) == Some(size)).map(|(at, _)| *at).min();
    let first = first.unwrap_or(world.now);
    let all = all.max(first);
    Crash {
        first: (first - began).as_secs_f64(),
        all: (all - first).as_secs_f64(),
        is_complete: is_all(&world),
    }
}

/// Runs until something holds, looked at every 20 ms; gives that time, or the end.
fn fine<P: muster_swim::sim::Protocol>(
    world: &mut World<P>,
    end: Duration,
    done: impl Fn(&World<P>) -> bool,
) -> Duration {
    while world.now < end && !done(world) {
        world.run(Duration::from_millis(20));
    }
    world.now
}

/// Nobody crashes.
#[derive(Default)]
pub struct Steady {
    pub node_hours: f64,
    pub deaths: u64,
    pub bytes: f64,
}

pub fn steady<S: Subject>(seed: u64, size: Place, (loss, seconds): (f64, f64)) -> Steady {
    let mut world = S::cluster(seed, size);
    world.net.loss = loss;
    world.run(secs(5.0));
    let before = world.bytes;
    world.nodes.values_mut().for_each(|node| node.events.clear());
    world.run(secs(seconds));
    let deaths = world
        .nodes
        .values()
        .flat_map(|node| &node.events)
        .filter(|(_, event)| S::death(event).is_some())
        .count();
    Steady {
        node_hours: f64::from(size) * seconds / 3600.0,
        deaths: deaths as u64,
        bytes: (world.bytes - before) as f64,
    }
}

/// A quarter of the members answer only now and then: deaths among the others, and of the slow ones.
pub fn slow<S: Subject>(seed: u64, (size, slow): (Place, Place), (stall, awake): (f64, f64)) -> (u64, u64) {
    let mut world = S::cluster(seed, size);
    let end = world.now + secs(120.0);
    while world.now < end {
        for place in 1..=slow {
            if let Some(node) = world.nodes.get_mut(&place) {
                node.deaf_until = world.now + secs(stall);
            }
        }
        world.run(secs(stall + awake));
    }
    let healthy = |place: Place| place > slow;
    let mut deaths = (0, 0);
    for (at, node) in &world.nodes {
        for dead in node.events.iter().filter_map(|(_, event)| S::death(event)) {
            match healthy(*at) && healthy(dead) {
                true => deaths.0 += 1,
                false => deaths.1 += 1,
            }
        }
    }
    deaths
}

/// A cut of a random size for ninety seconds: seconds from its end to one full view; `None` if not within two minutes.
pub fn heal<S: Subject>(seed: u64, size: Place) -> Option<f64> {
    let mut world = S::cluster(seed, size);
    let cut = 1 + (seed * 7919 % u64::from(size - 1)) as Place;
    let (one, other): (Vec<_>, Vec<_>) = (1..=size).partition(|place| *place <= cut);
    world.net.part(&one, &other);
    world.run(secs(90.0));
    world.net.cut.clear();
    let began = world.now;
    let healed = fine(&mut world, began + secs(120.0), |world| world.is_whole(1..=size));
    world.is_whole(1..=size).then(|| (healed - began).as_secs_f64())
}

/// A goodbye: seconds until nobody holds the node active; `None` if not within a minute.
pub fn leave<S: Subject>(seed: u64, size: Place, loss: f64) -> Option<f64> {
    let mut world = S::cluster(seed, size);
    world.net.loss = loss;
    world.run(secs(2.0));
    let began = world.now;
    world.leave(size);
    let is_seen = |world: &World<S::Node>| (1..size).all(|at| !is_active(world.belief(at, size)));
    let seen = fine(&mut world, began + secs(0.4), is_seen);
    // it stops once its goodbye was told
    world.crash(size);
    let seen = if is_seen(&world) { seen } else { fine(&mut world, began + secs(60.0), is_seen) };
    is_seen(&world).then(|| (seen - began).as_secs_f64())
}
