//! Kills or stops a random node again and again, and brings each back.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_runtime::Clock;
use tokio::time::Instant;

use crate::cluster::{Cluster, Role};
use crate::metrics;

/// Time between two faults.
const EVERY: Duration = Duration::from_secs(2);
/// How long a stopped node stays so.
const STOPPED_FOR: Duration = Duration::from_secs(10);
/// How long a killed node stays away.
const KILLED_FOR: Duration = Duration::from_secs(1);

/// A small generator, so that a run can be repeated by its seed.
pub struct Dice(u64);

impl Dice {
    /// Of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    fn next(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides.max(1)
    }
}

/// What a run of faults did.
#[derive(Default, Debug)]
pub struct Done {
    /// Nodes killed.
    pub kills: u32,
    /// Nodes stopped for a while.
    pub stops: u32,
    /// Calls and results under an old token that managers and workers refused, over all their processes.
    pub fenced: BTreeMap<String, f64>,
}

/// A node that is away, until then.
struct Away {
    name: String,
    until: Instant,
    was_killed: bool,
}

/// Does faults for so long; then every node is there again.
pub async fn run(cluster: &mut Cluster, dice: &mut Dice, length: Duration) -> anyhow::Result<Done> {
    let (mut done, mut away) = (Done::default(), Vec::new());
    let clock = Clock::system();
    let end = clock.now() + length;
    while clock.now() < end {
        bring_back(cluster, &mut away, clock.now())?;
        if let Some(name) = pick(cluster, dice, &away) {
            done.note_fenced(cluster, &name).await;
            away.push(hit(cluster, (&name, dice, &mut done), clock.now())?);
        }
        tokio::time::sleep(EVERY).await;
    }
    bring_back(cluster, &mut away, end + STOPPED_FOR + EVERY)?;
    Ok(done)
}

fn pick(cluster: &Cluster, dice: &mut Dice, away: &[Away]) -> Option<String> {
    let names = [cluster.names(Role::Manager), cluster.names(Role::Worker)].concat();
    let there: Vec<String> =
        names.into_iter().filter(|name| away.iter().all(|away| away.name != *name)).collect();
    there.get(dice.next(there.len())).cloned()
}

fn hit(
    cluster: &mut Cluster,
    (name, dice, done): (&str, &mut Dice, &mut Done),
    now: Instant,
) -> anyhow::Result<Away> {
    let was_killed = dice.next(3) > 0;
    let length = match was_killed {
        true => {
            cluster.kill(name)?;
            done.kills += 1;
            KILLED_FOR
        }
        false => {
            cluster.pause(name)?;
            done.stops += 1;
            STOPPED_FOR
        }
    };
    Ok(Away { name: name.to_owned(), until: now + length, was_killed })
}

fn bring_back(cluster: &mut Cluster, away: &mut Vec<Away>, now: Instant) -> anyhow::Result<()> {
    let (back, still): (Vec<Away>, Vec<Away>) = away.drain(..).partition(|away| away.until <= now);
    *away = still;
    for node in back {
        match node.was_killed {
            true => cluster.spawn(&node.name)?,
            false => cluster.resume(&node.name)?,
        }
    }
    Ok(())
}

impl Done {
    /// Counters end with their process: they are read before it is killed, and at the end.
    pub async fn note_fenced(&mut self, cluster: &Cluster, name: &str) {
        let text = cluster.get(name, "/metrics").await.unwrap_or_default();
        for at in ["manager", "worker", "gate"] {
            let label = format!("at=\"{at}\"");
            *self.fenced.entry(at.to_owned()).or_default() +=
                metrics::sum(&text, "muster_fenced_total", &label);
        }
    }
}
