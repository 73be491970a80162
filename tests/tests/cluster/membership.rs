//! Who is there, seen from outside: five managers, real sockets, real signals.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use muster_tests::cluster::Role;
use muster_tests::process::program;
use muster_tests::{Cluster, Topology, eventually};
use muster_wire::api::{MemberView, Page};
use tokio::time::Instant;

use crate::support::turn;

const FIVE: Topology = Topology { gates: 0, dcs: 1, managers: 5, workers: 0, cores: 1 };

async fn five(profile: &str) -> Cluster {
    let mut cluster = Cluster::prepare(FIVE).unwrap();
    cluster.set("raft.profile", profile);
    cluster.start_all().await.unwrap();
    for name in cluster.names(Role::Manager) {
        until_seen(&cluster, &name, "dc1-m5", "alive").await;
    }
    cluster
}

async fn seen(cluster: &Cluster, at: &str, of: &str) -> Result<MemberView, String> {
    let text = cluster.get(at, "/v1/members").await.map_err(|error| error.to_string())?;
    let page: Page<MemberView> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    page.items.into_iter().find(|member| member.name == of).ok_or_else(|| format!("{at} does not know {of}"))
}

async fn until_seen(cluster: &Cluster, at: &str, of: &str, state: &str) -> MemberView {
    eventually(&format!("{at} to see {of} {state}"), || async {
        let member = seen(cluster, at, of).await?;
        if member.state == state { Ok(member) } else { Err(member.state) }
    })
    .await
    .unwrap()
}

async fn until_all_see(cluster: &Cluster, of: &str, state: &str) {
    for name in cluster.names(Role::Manager).iter().filter(|name| *name != of) {
        until_seen(cluster, name, of, state).await;
    }
}

async fn deaths(cluster: &Cluster) -> f64 {
    cluster.metric(&[Role::Manager], "muster_swim_events_total", "event=\"dead\"").await
}

fn members_of(cluster: &Cluster, more: &[&str]) -> Command {
    let node = format!("http://{}", cluster.plan("dc1-m1").unwrap().http());
    let mut command = Command::new(program());
    command.args(["muster", "--gate", &node, "members"]).args(more);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_manager_is_dead_to_all_and_the_program_shows_and_follows_it() {
    let _turn = turn().await;
    let mut cluster = five("test").await;
    let follow = members_of(&cluster, &["--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    cluster.kill("dc1-m5").unwrap();
    until_all_see(&cluster, "dc1-m5", "dead").await;
    let listed = members_of(&cluster, &[]).output().unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let header = text.lines().next().unwrap_or_default();
    for column in ["state", "since", "incarnation", "rtt"] {
        assert!(header.to_lowercase().contains(column), "{text}");
    }
    let row = text.lines().find(|line| line.contains("dc1-m5")).unwrap_or_default();
    assert!(row.contains("dead") && row.contains("ago"), "{text}");
    cluster.kill("dc1-m1").unwrap();
    let followed = follow.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&followed.stdout).into_owned();
    assert!(text.lines().any(|line| line.contains(" member dc1-m5")), "{text}");
    assert!(text.lines().any(|line| line.contains(" dead dc1-m5")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_slept_until_it_was_held_dead_comes_back_alive_in_the_same_process() {
    let _turn = turn().await;
    let mut cluster = five("test").await;
    let before = seen(&cluster, "dc1-m1", "dc1-m5").await.unwrap();
    cluster.pause("dc1-m5").unwrap();
    until_all_see(&cluster, "dc1-m5", "dead").await;
    cluster.resume("dc1-m5").unwrap();
    until_all_see(&cluster, "dc1-m5", "alive").await;
    let after = seen(&cluster, "dc1-m1", "dc1-m5").await.unwrap();
    assert_eq!(after.generation, before.generation);
    assert!(after.incarnation > before.incarnation, "{before:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_with_keys_find_each_other_and_change_the_key_while_they_run() {
    let _turn = turn().await;
    let mut cluster = Cluster::prepare(Topology { managers: 3, ..FIVE }).unwrap();
    let file = cluster.data_dir("swim-keys");
    let (old, new) = (format!("1 {}\n", "0a".repeat(32)), format!("2 {}\n", "0b".repeat(32)));
    std::fs::write(&file, &old).unwrap();
    cluster.set("security.swim_keys", &file.display().to_string());
    cluster.start_all().await.unwrap();
    until_all_see(&cluster, "dc1-m3", "alive").await;
    let before = deaths(&cluster).await;
    for keys in [format!("{old}{new}"), format!("{new}{old}"), new.clone()] {
        std::fs::write(&file, &keys).unwrap();
        let wanted = keys.lines().count();
        eventually("all to hold the keys", || async {
            let missing =
                cluster.names(Role::Manager).into_iter().find(|name| !holds(&cluster, name, wanted, &keys));
            missing.map_or(Ok(()), |name| Err(format!("{name} does not")))
        })
        .await
        .unwrap();
    }
    until_all_see(&cluster, "dc1-m3", "alive").await;
    assert!((deaths(&cluster).await - before).abs() < f64::EPSILON);
}

/// The last log line about keys names them.
fn holds(cluster: &Cluster, name: &str, wanted: usize, keys: &str) -> bool {
    let log = cluster.tail(name);
    let Some(line) = log.lines().rfind(|line| line.contains("membership packets are sealed")) else {
        return false;
    };
    let first = keys.split(' ').next().unwrap_or_default();
    let ids = line.rsplit_once('[').map_or("", |(_, ids)| ids);
    ids.starts_with(first) && ids.matches(',').count() + 1 == wanted
}

/// Two threads that never rest.
struct Busy(Arc<AtomicBool>, Vec<std::thread::JoinHandle<u64>>);

impl Busy {
    fn begin() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let burn = |stop: Arc<AtomicBool>| {
            std::thread::spawn(move || {
                let mut turns = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    turns = std::hint::black_box(turns.wrapping_add(1));
                }
                turns
            })
        };
        let threads = (0..2).map(|_| burn(stop.clone())).collect();
        Self(stop, threads)
    }

    fn end(self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.into_iter().for_each(|thread| assert!(thread.join().unwrap() > 0));
    }
}

/// How long until all others hold it dead.
async fn time_to_death(cluster: &mut Cluster, name: &str) -> Duration {
    let began = Instant::now();
    cluster.kill(name).unwrap();
    until_all_see(cluster, name, "dead").await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "four minutes and timing: cargo xtask soak swim"]
async fn soak_swim_deaths_are_quick_and_a_busy_machine_makes_none() {
    let _turn = turn().await;
    let mut cluster = five("lan").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let began = deaths(&cluster).await;
    let busy = Busy::begin();
    tokio::time::sleep(Duration::from_secs(60)).await;
    busy.end();
    println!("false deaths in 60 s with both cores busy: {}", deaths(&cluster).await - began);
    assert!((deaths(&cluster).await - began).abs() < f64::EPSILON);
    cluster.pause("dc1-m5").unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.resume("dc1-m5").unwrap();
    until_all_see(&cluster, "dc1-m5", "alive").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!("deaths after a stop of 1 s: {}", deaths(&cluster).await - began);
    assert!((deaths(&cluster).await - began).abs() < f64::EPSILON);
    cluster.pause("dc1-m5").unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let died = deaths(&cluster).await - began;
    println!("deaths told after a stop of 20 s: {died}");
    cluster.resume("dc1-m5").unwrap();
    let woke = Instant::now();
    until_all_see(&cluster, "dc1-m5", "alive").await;
    println!("alive to all {:.2} s after it woke", woke.elapsed().as_secs_f64());
    assert!(died >= 4.0, "not all saw it die: {died}");
    let killed = time_to_death(&mut cluster, "dc1-m5").await;
    println!("dead to all {:.2} s after kill -9", killed.as_secs_f64());
    assert!(killed < Duration::from_secs(1), "{killed:?}");
}
